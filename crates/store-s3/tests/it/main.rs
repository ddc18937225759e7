//! The store on real servers, and on one that answers as a test says.
#![cfg(test)]

mod behavior;
mod clients;
mod credentials;
mod faults;
mod members;
mod presigned;
mod scripted;
mod servers;
mod tls;
mod weed;
