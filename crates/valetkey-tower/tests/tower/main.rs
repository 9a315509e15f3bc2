//! A backend made of services, and layers around services.

mod backend;
mod layers;
mod service;
