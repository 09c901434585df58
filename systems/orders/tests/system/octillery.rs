//! Octillery: its arguments, its orders, and what it says became of them.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use clap::Parser;
use orders::octillery::{Load, Octillery, Orders};

use crate::support::shop::Shop;

fn load(arguments: &str) -> Result<Load, String> {
    let words = ["poke-synthetic-load"]
        .into_iter()
        .chain(arguments.split(' '));
    let octillery = Octillery::try_parse_from(words).map_err(|error| error.to_string())?;
    octillery.load().map_err(|reason| reason.to_string())
}

#[test]
fn the_originals_arguments_come_by_place_or_by_name() {
    let by_place = load("1000 2 5").unwrap();
    assert_eq!((by_place.num_orders, by_place.user_id), (1000, 5));
    assert_eq!(by_place.delay, Duration::from_secs(2));
    assert_eq!(by_place.initial_delay, Duration::ZERO);
    assert_eq!(by_place.url, "http://poke-order-api:8000/orders/");
    let by_name = load("--num-orders 1000 --delay 2 --user-id 5").unwrap();
    assert_eq!(by_place, by_name);
    let as_in_the_original = load("--user_id 5 --delay 2 --num_orders 1000 --initial_delay 0");
    assert_eq!(by_place, as_in_the_original.unwrap());
    let late = load("1 0.5 1 3 --url http://here/orders/ --seed 7").unwrap();
    assert_eq!(late.initial_delay, Duration::from_secs(3));
    assert_eq!(late.delay, Duration::from_millis(500));
    assert_eq!((late.url.as_str(), late.seed), ("http://here/orders/", 7));
}

#[test]
fn wrong_arguments_are_named() {
    for (arguments, problem) in [
        ("1000 2", "user_id is missing"),
        ("many 2 5", "num_orders is \"many\""),
        ("1000 soon 5", "delay is \"soon\""),
        ("1000 1e9 5", "delay is \"1e9\""),
        ("1000 2 3000000000", "user_id is"),
        (
            "1 2 3 --url https://api/orders",
            "does not start with http://",
        ),
        ("1 2 3 4 5", "unexpected"),
        ("1 2 3 --delay 4", "cannot be used with"),
    ] {
        let found = load(arguments).unwrap_err();
        assert!(found.contains(problem), "{arguments}: {found}");
    }
}

#[test]
fn orders_follow_from_the_seed_and_stay_in_their_ranges() {
    let orders: Vec<_> = Orders::new(1, 3).take(3000).collect();
    let again: Vec<_> = Orders::new(1, 3).take(3000).collect();
    assert_eq!(orders, again);
    assert_ne!(orders[..10], Orders::new(2, 3).take(10).collect::<Vec<_>>());
    let other_user = Orders::new(1, 4).next().unwrap();
    assert_ne!(orders[0].pokemon, other_user.pokemon);

    let distinct = |of: fn(&orders::order::NewOrder) -> &str| {
        orders.iter().map(of).collect::<BTreeSet<_>>().len()
    };
    assert!(distinct(|order| &order.pokemon) >= 150);
    assert_eq!(distinct(|order| &order.country), 194);
    let prices: BTreeSet<i64> = orders.iter().map(|order| order.price as i64).collect();
    assert_eq!((prices.first(), prices.last()), (Some(&0), Some(&300)));
    assert!(
        orders
            .iter()
            .all(|order| order.user_id == 3 && order.price.fract() == 0.0)
    );
}

#[tokio::test]
async fn every_order_is_accounted_for() {
    let shop = Shop::open(&[]).await;
    shop.with(|shelf| shelf.refusals = vec![StatusCode::INTERNAL_SERVER_ERROR]);
    let load = load(&format!("3 0 1 --url {}", shop.url())).unwrap();
    let mut output = Vec::new();
    let taken = load.post_all(&mut output).await.unwrap();
    assert_eq!(taken, 2);
    let output = String::from_utf8(output).unwrap();
    let lines: Vec<&str> = output.lines().collect();
    assert!(lines[0].starts_with("order 1 of user 1, "), "{output}");
    assert!(lines[0].contains(": not taken: "), "{output}");
    assert!(lines[1].ends_with(": taken with id 2"), "{output}");
    assert_eq!(lines[3], "2 of 3 orders were taken");
    let posted = shop.with(|shelf| shelf.posted.clone());
    assert_eq!(posted.len(), 3, "none is posted twice");
    let expected = serde_json::json!(Orders::new(1, 1).next().unwrap());
    assert_eq!(posted[0], expected);
}
