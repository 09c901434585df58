//! What a run tells while it goes on.

/// Figures of the moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Live {
    /// Seconds since the load began.
    pub at_s: f64,
    /// Attempts so far.
    pub attempted: u64,
    /// Acknowledged so far.
    pub acknowledged: u64,
    /// Failed for certain so far.
    pub failed: u64,
    /// Neither so far, without those in flight.
    pub indeterminate: u64,
    /// Unanswered now.
    pub in_flight: u64,
    /// Seen settled so far.
    pub settled: u64,
    /// Seen at an unwanted end so far.
    pub unwanted: u64,
}

/// Who is told. Calls come from several tasks.
pub trait Progress: Send + Sync {
    /// A step begins, or something happened that belongs on a line of its own.
    fn event(&self, text: &str);
    /// The figures changed.
    fn live(&self, live: Live);
}
