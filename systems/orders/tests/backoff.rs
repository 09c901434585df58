//! Pauses grow, stay bounded, differ, and begin anew.

use orders::backoff::{BACKOFF_MAX, BACKOFF_MIN, Backoff};

#[test]
fn pauses_grow_to_a_bound_with_jitter_and_begin_anew() {
    let mut backoff = Backoff::default();
    let mut whole = BACKOFF_MIN;
    for _ in 0..20 {
        let pause = backoff.next_pause();
        assert!(
            whole / 2 <= pause && pause <= whole,
            "{pause:?} of {whole:?}"
        );
        whole = (whole * 2).min(BACKOFF_MAX);
    }
    assert_eq!(whole, BACKOFF_MAX);
    let pauses: Vec<_> = (0..10).map(|_| backoff.next_pause()).collect();
    assert!(pauses.iter().any(|pause| *pause != pauses[0]), "{pauses:?}");
    backoff.reset();
    assert!(backoff.next_pause() <= BACKOFF_MIN);
}
