//! Requests: what comes over the control socket becomes an order to an instance.

use std::rc::Rc;
use std::time::Duration;

use nix::sys::signal::Signal;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::board::Board;
use super::order::{Done, Order};
use crate::control::{Answer, Request, read_request, write_answer};

/// The wait after a connection that could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Where it is said that the system is to go down, and who waits for that; then, once more and
/// empty, that the answer was written.
pub(super) type DownSender = mpsc::Sender<Option<oneshot::Sender<()>>>;

/// Answers until the supervisor ends.
pub(super) async fn answer_all(
    listener: UnixListener,
    board: Rc<Board>,
    orders: Rc<Vec<mpsc::Sender<Order>>>,
    down: DownSender,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptor is free, or the asking side has gone: neither is for ever.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (board, orders, down) = (board.clone(), orders.clone(), down.clone());
        tokio::task::spawn_local(converse(stream, board, orders, down));
    }
}

async fn converse(
    mut stream: UnixStream,
    board: Rc<Board>,
    orders: Rc<Vec<mpsc::Sender<Order>>>,
    down: DownSender,
) {
    let request = read_request(&mut stream).await;
    let goes_down = matches!(request, Ok(Request::Down));
    let answer = match request {
        Ok(request) => answer(request, &board, &orders, &down)
            .await
            .unwrap_or_else(|reason| Answer::Refused { reason }),
        Err(error) => Answer::Refused {
            reason: format!("the request was not understood: {error}"),
        },
    };
    let _ = write_answer(&mut stream, &answer).await;
    if goes_down {
        // The main task waits for this before the process ends.
        let _ = down.try_send(None);
    }
}

async fn answer(
    request: Request,
    board: &Board,
    orders: &[mpsc::Sender<Order>],
    down: &DownSender,
) -> Result<Answer, String> {
    let to = |instance: String| {
        let index = board.position(&instance)?;
        Ok::<_, String>(Recipient {
            instance,
            orders: &orders[index],
        })
    };
    match request {
        Request::Status => {
            return Ok(Answer::Status {
                status: Box::new(board.status()),
            });
        }
        Request::Down => {
            let (done, wait) = oneshot::channel();
            let _ = down.send(Some(done)).await;
            let _ = wait.await;
        }
        Request::Launch { instance } => {
            let launch = to(instance)?.ask(|answer| Order::Launch { answer }).await?;
            return Ok(Answer::Launch { launch });
        }
        Request::Signal {
            instance,
            process,
            signal,
            tree,
        } => {
            let signal = Signal::try_from(signal).map_err(|_| format!("{signal} is no signal"))?;
            let order = |done| Order::Signal {
                process,
                signal,
                tree,
                done,
            };
            to(instance)?.ask(order).await?;
        }
        Request::Environment { instance, set } => {
            let order = |done| Order::Environment { set, done };
            to(instance)?.ask(order).await?;
        }
        Request::Throttle {
            instance,
            process,
            throttle,
        } => {
            let order = |done| Order::Throttle {
                process,
                throttle,
                done,
            };
            to(instance)?.ask(order).await?;
        }
        Request::Unthrottle { instance } => {
            to(instance)?
                .tell(|done| Order::Unthrottle { done })
                .await?
        }
        Request::Hold { instance } => to(instance)?.tell(|done| Order::Hold { done }).await?,
        Request::Release { instance } => to(instance)?.tell(|done| Order::Release { done }).await?,
        Request::Terminate { instance } => {
            to(instance)?.tell(|done| Order::Terminate { done }).await?
        }
        Request::Restart { instance } => to(instance)?.tell(|done| Order::Restart { done }).await?,
    }
    Ok(Answer::Done)
}

/// The instance an order goes to.
struct Recipient<'a> {
    instance: String,
    orders: &'a mpsc::Sender<Order>,
}

impl Recipient<'_> {
    async fn tell(&self, order: fn(Done) -> Order) -> Result<(), String> {
        self.ask(order).await
    }

    async fn ask<T>(
        &self,
        order: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Order,
    ) -> Result<T, String> {
        let (answer, wait) = oneshot::channel();
        self.orders
            .send(order(answer))
            .await
            .map_err(|_| format!("`{}` has ended for good", self.instance))?;
        wait.await
            .map_err(|_| format!("`{}` ended in the middle of the request", self.instance))?
    }
}
