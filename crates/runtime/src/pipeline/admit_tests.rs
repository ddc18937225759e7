use proptest::prelude::*;

use super::*;

fn limits(capacity: usize, queue: usize) -> AdmissionLimits {
    let longest_wait = Duration::from_secs(30);
    AdmissionLimits { capacity, queue, longest_wait, factor: 0.0, weights: Vec::new() }
}

fn fair(capacity: usize, queue: usize) -> AdmissionLimits {
    AdmissionLimits { factor: 4.0, ..limits(capacity, queue) }
}

fn kind(result: Result<Permit>) -> Option<ErrorKind> {
    result.err().map(|error| error.kind())
}

/// What can be had without waiting.
fn hold(admission: &Arc<Admission>, name: &str) -> Vec<Permit> {
    let share = admission.share(name);
    std::iter::from_fn(|| admission.enter(&share)).collect()
}

async fn until_waiting(admission: &Admission, count: usize) {
    while admission.waiting() != count {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn beyond_the_queue_is_refused_and_a_dropped_permit_serves_the_next() {
    let admission = Admission::new(limits(1, 1));
    let share = admission.share("a");
    let first = admission.admit(&share).await.unwrap();
    let second = tokio::spawn({
        let (admission, share) = (admission.clone(), share.clone());
        async move { admission.admit(&share).await.map(drop) }
    });
    until_waiting(&admission, 1).await;
    assert_eq!(kind(admission.admit(&share).await), Some(ErrorKind::Overloaded));
    drop(first);
    second.await.unwrap().unwrap();
    assert_eq!((admission.in_flight(), admission.waiting()), (0, 0));
}

#[tokio::test]
async fn a_wait_ends() {
    let admission =
        Admission::new(AdmissionLimits { longest_wait: Duration::from_millis(1), ..limits(1, 1) });
    let share = admission.share("a");
    let _held = admission.admit(&share).await.unwrap();
    assert_eq!(kind(admission.admit(&share).await), Some(ErrorKind::Overloaded));
    assert_eq!(admission.waiting(), 0);
}

#[tokio::test]
async fn closing_refuses_those_who_wait_and_drains_those_in_flight() {
    let admission = Admission::new(limits(1, 8));
    let share = admission.share("a");
    let held = admission.admit(&share).await.unwrap();
    let waiter = tokio::spawn({
        let (admission, share) = (admission.clone(), share.clone());
        async move { kind(admission.admit(&share).await) }
    });
    until_waiting(&admission, 1).await;
    admission.close();
    assert_eq!(waiter.await.unwrap(), Some(ErrorKind::ShuttingDown));
    assert_eq!(kind(admission.admit(&share).await), Some(ErrorKind::ShuttingDown));
    let drained = tokio::spawn({
        let admission = admission.clone();
        async move { admission.drained().await }
    });
    tokio::task::yield_now().await;
    assert!(!drained.is_finished());
    drop(held);
    drained.await.unwrap();
}

#[test]
fn a_flooded_function_leaves_places_for_the_others() {
    let admission = Admission::new(fair(1000, 0));
    let flood = hold(&admission, "flood");
    assert_eq!(flood.len(), 800);
    let second = hold(&admission, "second");
    assert_eq!(second.len(), 160);
    let third = hold(&admission, "third");
    assert_eq!(third.len(), 32);
    assert!(!hold(&admission, "fourth").is_empty(), "there is always a place left");
    drop((flood, second, third));
    assert_eq!(admission.in_flight(), 0);
}

#[test]
fn weights_move_the_shares_and_few_places_may_all_be_had() {
    let weights = vec![("light".to_owned(), 0.25), ("heavy".to_owned(), 4.0)];
    let admission = Admission::new(AdmissionLimits { weights, ..fair(1000, 0) });
    assert_eq!(hold(&admission, "light").len(), 500);
    assert_eq!(hold(&admission, "heavy").len(), 942);
    assert_eq!(hold(&Admission::new(fair(1, 0)), "a").len(), 1);
    assert_eq!(hold(&Admission::new(fair(2, 0)), "a").len(), 2);
    assert_eq!(hold(&Admission::new(limits(1000, 0)), "a").len(), 1000);
}

#[tokio::test]
async fn the_queue_is_shared_too_and_the_least_served_is_next() {
    let admission = Admission::new(fair(10, 10));
    let flood = admission.share("flood");
    let mut held = hold(&admission, "flood");
    held.extend(hold(&admission, "second"));
    held.extend(hold(&admission, "third"));
    assert_eq!(admission.in_flight(), 10);
    let mut waiters = Vec::new();
    for _ in 0..8 {
        let (admission, flood) = (admission.clone(), flood.clone());
        waiters.push(tokio::spawn(async move { admission.admit(&flood).await }));
    }
    until_waiting(&admission, 8).await;
    assert_eq!(
        kind(admission.admit(&flood).await),
        Some(ErrorKind::Overloaded),
        "its part of the queue is full"
    );
    let last = admission.share("last");
    let other = tokio::spawn({
        let admission = admission.clone();
        async move { admission.admit(&last).await }
    });
    until_waiting(&admission, 9).await;
    held.pop();
    let _served = other.await.unwrap().unwrap();
    assert_eq!(admission.waiting(), 8, "who waited longest but holds most goes on waiting");
    drop(held);
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_gives_up_leaves_no_trace() {
    let admission = Admission::new(limits(1, 100));
    let share = admission.share("a");
    let held = admission.admit(&share).await.unwrap();
    for _ in 0..1000 {
        let mut wait = Box::pin(admission.admit(&share));
        assert!(futures_util::poll!(wait.as_mut()).is_pending());
    }
    assert_eq!(admission.waiting(), 0);
    assert!(admission.lanes.lock().next(|_| Some(())).is_none());
    drop(held);
    admission.admit(&share).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_place_is_lost_or_given_twice() {
    let admission = Admission::new(fair(7, 10_000));
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for n in 0..2000 {
        let (admission, most) = (admission.clone(), most.clone());
        tasks.push(tokio::spawn(async move {
            let share = admission.share(["a", "b", "c"][n % 3]);
            let wait = admission.admit(&share);
            let Ok(permit) = tokio::time::timeout(Duration::from_micros(n as u64 * 40), wait).await else {
                return;
            };
            let _permit = permit.unwrap();
            most.fetch_max(admission.in_flight(), Ordering::Relaxed);
            tokio::task::yield_now().await;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(most.load(Ordering::Relaxed) <= 7);
    assert_eq!((admission.in_flight(), admission.waiting()), (0, 0));
    assert_eq!(hold(&Admission::new(fair(7, 0)), "a").len(), hold(&admission, "a").len());
}

proptest! {
    /// Whatever comes and goes, no function holds more than its threshold and none is starved
    /// while places are free.
    #[test]
    fn shares_hold(steps in proptest::collection::vec((0_usize..5, any::<bool>()), 1..400), capacity in 5_usize..60) {
        let admission = Admission::new(fair(capacity, 0));
        let names = ["a", "b", "c", "d", "e"];
        let mut held: Vec<Vec<Permit>> = names.iter().map(|_| Vec::new()).collect();
        for (at, take) in steps {
            let free = capacity - admission.in_flight();
            if !take {
                held[at].pop();
                continue;
            }
            match admission.enter(&admission.share(names[at])) {
                Some(permit) => {
                    prop_assert!(held[at].len() < 4 * free);
                    held[at].push(permit);
                }
                None => prop_assert!(held[at].len() >= 4 * free),
            }
            prop_assert_eq!(admission.in_flight(), held.iter().map(Vec::len).sum::<usize>());
        }
    }
}
