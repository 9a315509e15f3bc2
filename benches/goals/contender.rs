//! What is measured, whatever is measured of it.

use std::hint::black_box;

/// An operation that can be run again and again.
pub(crate) struct Contender {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    batch: Box<dyn FnMut(Watch<'_>)>,
}

/// Is handed the operations of one batch to run, and looks at what they take.
type Watch<'a> = &'a mut dyn FnMut(&mut dyn FnMut());

/// Operations in a batch: enough to make looking cheap, few enough for their inputs to stay in the cache.
pub(crate) const BATCH: u32 = 16;

impl Contender {
    /// An operation. What `prepare` makes and what is left of it afterwards is not watched; the operation and
    /// dropping its result are.
    pub(crate) fn new<I, O>(
        name: &'static str,
        mut prepare: impl FnMut() -> I + 'static,
        mut run: impl FnMut(&mut I) -> O + 'static,
    ) -> Self {
        let batch = move |watch: Watch<'_>| {
            let mut inputs: Vec<I> = (0..BATCH).map(|_| prepare()).collect();
            watch(&mut || {
                for input in &mut inputs {
                    // Shown, not handed over: moving a large result would be measured, too.
                    let output = run(black_box(input));
                    black_box(&output);
                }
            });
        };
        Self { name, batch: Box::new(batch) }
    }

    /// Runs [`BATCH`] operations under this watch.
    pub(crate) fn batch(&mut self, mut watch: impl FnMut(&mut dyn FnMut())) {
        (self.batch)(&mut watch);
    }
}
