//! Connections that ordinary requests share.

use valetkey_backend_suite::server::Server;
use valetkey_http::Backend;

use crate::{backend, get, limits, millis};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ordinary_requests_share_a_connection() {
    let server = Server::keeping();
    let backend = backend();
    for _ in 0..5 {
        backend.send(get(server.url("/")), limits(false)).await.unwrap();
        // hyper's task puts the connection back a moment later.
        backend.sleep(millis(20)).await;
    }
    assert_eq!(server.seen().len(), 5);
    assert!(server.connections() < 3, "{}", server.connections());
}
