//! What a blocking call in the event loop does to other requests, and what it does not when cured.

use std::time::Duration;

use orders::event_loop::EventLoop;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Long enough for a turn that is not blocked; a blocked one never comes by itself.
const NOT_YET: Duration = Duration::from_millis(50);
const SURELY: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_blocking_call_stalls_every_request_until_it_ends() {
    let event_loop = EventLoop::new(true);
    let (end, ended) = oneshot::channel::<()>();
    let call = event_loop.block(ended);
    let request = async {
        let turn = timeout(NOT_YET, event_loop.turn()).await;
        assert!(turn.is_err(), "a request ran beside the blocking call");
        end.send(()).expect("the call is under way");
        timeout(SURELY, event_loop.turn())
            .await
            .expect("the loop is free again");
    };
    let (called, ()) = tokio::join!(call, request);
    called.expect("the call was ended");
}

#[tokio::test]
async fn without_the_flaw_a_call_stalls_nobody() {
    let event_loop = EventLoop::new(false);
    let (end, ended) = oneshot::channel::<()>();
    let call = event_loop.block(ended);
    let request = async {
        timeout(SURELY, event_loop.turn())
            .await
            .expect("nobody is stalled");
        end.send(()).expect("the call is under way");
    };
    let (called, ()) = tokio::join!(call, request);
    called.expect("the call was ended");
}
