//! The client behind `fetch`: which hosts may be reached, at which addresses, and how redirects
//! are followed. Bodies stream both ways.

mod address;
mod allow;
mod client;
mod redirect;
mod wire;

#[cfg(test)]
mod tests;

pub(crate) use client::{Fetcher, Sent};
pub(crate) use redirect::RedirectMode;
pub(crate) use wire::{FetchBody, FetchRequest};
