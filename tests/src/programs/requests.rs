//! Requests for a program.

use fastrand::Rng;
use serde_json::json;

use crate::case::Step;

/// One to three calls in a row; now and then several at once.
pub(super) fn generate(rng: &mut Rng) -> Vec<Step> {
    let count = rng.usize(1..=3);
    (0..count).map(|_| request(rng)).collect()
}

fn request(rng: &mut Rng) -> Step {
    let mut step = Step::default();
    match rng.u8(..8) {
        0 => {}
        1 => step.json = Some(json!({ "a": 1, "b": ["x", null, { "c": 1.5 }], "__proto__": 2 })),
        2 => step.json = Some(json!([1, "😀", { "k": "\u{0}" }])),
        3 => step.json = Some(json!("text")),
        4 => text(&mut step, "text/plain", "plain ÄÖ text"),
        5 => text(&mut step, "application/x-www-form-urlencoded", "a=1&b=x+y&a=%F0%9F%98%80"),
        6 => text(&mut step, "application/octet-stream", "bytes"),
        _ => text(&mut step, "application/json", "{\"n\": 1e400, \"d\": 1, \"d\": 2}"),
    }
    if rng.bool() {
        step.query = Some("q=1&q=two&r=%20".to_owned());
    }
    if rng.u8(..4) == 0 {
        step.method = Some(["GET", "PUT", "DELETE"][rng.usize(..3)].to_owned());
    }
    step
}

fn text(step: &mut Step, content_type: &str, body: &str) {
    step.headers.insert("content-type".to_owned(), content_type.to_owned());
    step.body = Some(body.to_owned());
}
