//! `poke-synthetic-load`, called Octillery: posts orders as the original's load does, one after
//! another with a pause between them.
//!
//! 1. The orders follow from the seed and the user alone: the same arguments give the same orders.
//! 2. What became of every order is said, one line each; an order without an answer in time is
//!    not taken, and never posted twice.
//! 3. No network but the API's: names and countries are lists of our own.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use reqwest::Client;
use serde::Deserialize;
use tokio::runtime::Runtime;
use tracing::error;

use crate::order::NewOrder;
use crate::program::{EXIT_USAGE, log_to_stderr};

/// The command line: four values in the original's order, or the same as flags.
#[derive(Debug, Clone, PartialEq, Parser)]
#[command(
    name = "poke-synthetic-load",
    about = "Posts synthetic orders, one after another",
    override_usage = "poke-synthetic-load [OPTIONS] NUM_ORDERS DELAY USER_ID [INITIAL_DELAY]\n       \
                      poke-synthetic-load [OPTIONS] --num-orders N --delay S --user-id ID"
)]
pub struct Octillery {
    /// NUM_ORDERS DELAY USER_ID [INITIAL_DELAY], as the flags of these names
    #[arg(value_name = "VALUE", num_args = 0..=4, conflicts_with_all = ["num_orders", "delay", "user_id", "initial_delay"])]
    values: Vec<String>,
    /// How many orders
    #[arg(long, alias = "num_orders", value_name = "N")]
    num_orders: Option<String>,
    /// Between two orders, in seconds
    #[arg(long, value_name = "S")]
    delay: Option<String>,
    /// Whose orders; every order of user 5 is rejected
    #[arg(long, alias = "user_id", value_name = "ID")]
    user_id: Option<String>,
    /// Before the first order, in seconds [default: 0]
    #[arg(long, alias = "initial_delay", value_name = "S")]
    initial_delay: Option<String>,
    /// The address of the orders
    #[arg(
        long,
        env = "URL_POKE_ORDER_API",
        default_value = "http://poke-order-api:8000/orders"
    )]
    url: String,
    /// What the orders follow from, together with the user
    #[arg(long, env = "OCTILLERY_SEED", default_value_t = 1)]
    seed: u64,
}

/// What to post, and how fast.
#[derive(Debug, Clone, PartialEq)]
pub struct Load {
    /// How many orders.
    pub num_orders: u32,
    /// Between two orders.
    pub delay: Duration,
    /// Whose orders.
    pub user_id: i32,
    /// Before the first order.
    pub initial_delay: Duration,
    /// Where they are posted, with a slash at the end.
    pub url: String,
    /// What the orders follow from.
    pub seed: u64,
}

/// Endless orders of one user.
#[derive(Debug, Clone)]
pub struct Orders {
    random: ChaCha8Rng,
    user_id: i32,
}

/// How long the answer to one order may take; the original has no bound.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The highest price; the lowest is 0.
pub const PRICE_MAX: u32 = 300;

/// The longest delay, in seconds: a day.
const DELAY_MAX_S: f64 = 86_400.0;

/// One name a line.
const POKEMON: &str = include_str!("octillery/pokemon.txt");

/// One country a line.
const COUNTRIES: &str = include_str!("octillery/countries.txt");

/// Posts the orders that the arguments of this process ask for; what became of them goes to
/// `output`. The exit code is 0 when every order was taken.
pub fn run(output: &mut impl Write) -> ExitCode {
    log_to_stderr();
    let load = match Octillery::parse().load() {
        Ok(load) => load,
        Err(reason) => {
            error!("poke-synthetic-load: {reason:#}; --help shows the arguments");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    let taken = Runtime::new()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(load.post_all(output)));
    match taken {
        Ok(taken) if taken == load.num_orders => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(reason) => {
            error!("poke-synthetic-load: {reason:#}");
            ExitCode::FAILURE
        }
    }
}

// === impl Octillery ===

impl Octillery {
    /// What to post.
    ///
    /// # Errors
    /// A value is missing, or is no number, or out of its range.
    pub fn load(&self) -> anyhow::Result<Load> {
        let given =
            |at: usize, flag: &Option<String>| self.values.get(at).or(flag.as_ref()).cloned();
        let required =
            |at, flag, name: &str| given(at, flag).with_context(|| format!("{name} is missing"));
        let num_orders = required(0, &self.num_orders, "num_orders")?;
        let delay = required(1, &self.delay, "delay")?;
        let user_id = required(2, &self.user_id, "user_id")?;
        let initial_delay = given(3, &self.initial_delay).unwrap_or_else(|| "0".to_owned());
        if !self.url.starts_with("http://") {
            bail!("the address {:?} does not start with http://", self.url);
        }
        Ok(Load {
            num_orders: number("num_orders", &num_orders)?,
            delay: seconds("delay", &delay)?,
            user_id: number("user_id", &user_id)?,
            initial_delay: seconds("initial_delay", &initial_delay)?,
            url: format!("{}/", self.url.trim_end_matches('/')),
            seed: self.seed,
        })
    }
}

fn number<T: std::str::FromStr>(name: &str, text: &str) -> anyhow::Result<T> {
    let number = text.parse().ok();
    number.with_context(|| format!("{name} is {text:?}; it must be a whole number in range"))
}

fn seconds(name: &str, text: &str) -> anyhow::Result<Duration> {
    let seconds = text.parse::<f64>().ok();
    let seconds = seconds.filter(|seconds| (0.0..=DELAY_MAX_S).contains(seconds));
    seconds.map(Duration::from_secs_f64).with_context(|| {
        format!("{name} is {text:?}; it must be a number of seconds, at most {DELAY_MAX_S}")
    })
}

// === impl Load ===

impl Load {
    /// Posts every order, one after another, and says what became of each; returns how many were
    /// taken.
    ///
    /// # Errors
    /// The output cannot be written.
    pub async fn post_all(&self, output: &mut impl Write) -> anyhow::Result<u32> {
        let client = Client::builder()
            .no_proxy()
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        tokio::time::sleep(self.initial_delay).await;
        let mut taken = 0;
        for (number, order) in (1..=self.num_orders).zip(Orders::new(self.seed, self.user_id)) {
            if number > 1 {
                tokio::time::sleep(self.delay).await;
            }
            let fate = match self.post(&client, &order).await {
                Ok(id) => {
                    taken += 1;
                    format!("taken with id {id}")
                }
                Err(reason) => format!("not taken: {reason:#}"),
            };
            let NewOrder {
                user_id,
                pokemon,
                country,
                price,
            } = order;
            writeln!(
                output,
                "order {number} of user {user_id}, {pokemon} to {country} for {price}: {fate}"
            )?;
        }
        writeln!(output, "{taken} of {} orders were taken", self.num_orders)?;
        Ok(taken)
    }

    async fn post(&self, client: &Client, order: &NewOrder) -> anyhow::Result<i64> {
        #[derive(Deserialize)]
        struct Taken {
            id: i64,
        }
        let response = client
            .post(&self.url)
            .json(order)
            .send()
            .await
            .map_err(|reason| {
                let known = match reason.is_connect() {
                    true => "the API cannot be reached",
                    false => "no answer; whether the API has the order is unknown",
                };
                anyhow::Error::from(reason).context(known)
            })?;
        let status = response.status();
        if !status.is_success() {
            bail!("{} answered {status}", self.url);
        }
        let answer = response.json::<Taken>().await;
        Ok(answer
            .context("the answer is no order; whether the API has it is unknown")?
            .id)
    }
}

// === impl Orders ===

impl Orders {
    /// The orders of `user_id` that follow from `seed`.
    pub fn new(seed: u64, user_id: i32) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        // Users in parallel have different orders.
        random.set_stream(u64::from(user_id.cast_unsigned()));
        Self { random, user_id }
    }
}

impl Iterator for Orders {
    type Item = NewOrder;

    fn next(&mut self) -> Option<NewOrder> {
        let mut line_of = |list: &str| {
            let at = self.random.random_range(0..list.lines().count());
            list.lines().nth(at).map(str::to_owned)
        };
        Some(NewOrder {
            user_id: self.user_id,
            pokemon: line_of(POKEMON)?,
            country: line_of(COUNTRIES)?,
            price: f64::from(self.random.random_range(0..=PRICE_MAX)),
        })
    }
}
