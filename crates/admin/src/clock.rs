//! The one place that waits.

use std::time::Duration;

/// Sleeps.
#[expect(clippy::disallowed_methods, reason = "this is the clock")]
pub async fn nap(span: Duration) {
    tokio::time::sleep(span).await;
}

/// How long to nap between looks while somebody decides: a second, then twice as long each time up to a quarter of a
/// minute, `patience` in all.
pub fn naps(patience: Duration) -> impl Iterator<Item = Duration> {
    const LONGEST: Duration = Duration::from_secs(15);
    let mut left = patience;
    let mut next = Duration::from_secs(1);
    std::iter::from_fn(move || {
        let nap = next.min(left);
        (left, next) = (left.saturating_sub(nap), (next * 2).min(LONGEST));
        (!nap.is_zero()).then_some(nap)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_grow_to_a_bound_and_end_with_the_patience() {
        let seconds =
            |patience| naps(Duration::from_secs(patience)).map(|nap| nap.as_secs()).collect::<Vec<_>>();
        assert_eq!(seconds(0), [0_u64; 0]);
        assert_eq!(seconds(2), [1, 1]);
        assert_eq!(seconds(60), [1, 2, 4, 8, 15, 15, 15]);
    }
}
