//! The listener, from outside: over sockets, with a browser that is a robot.

mod hostile;
mod lifetime;
mod login;
mod support;
