//! The pages for people, without a browser.

use reqwest::Client;

use crate::system::System;

/// A page: its status and its HTML.
async fn page(system: &System, path: &str) -> (u16, String) {
    let client = Client::builder().no_proxy().build().unwrap();
    let response = client
        .get(format!("{}{path}", system.api))
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// The page after a form was sent, as it is.
async fn send(system: &System, form: &'static str) -> (u16, String) {
    let client = Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("{}/create_order", system.api))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let response = request.send().await.unwrap();
    let policy = &response.headers()["content-security-policy"];
    assert!(policy.to_str().unwrap().starts_with("default-src 'none'"));
    (response.status().as_u16(), response.text().await.unwrap())
}

#[track_caller]
fn contains(page: &(u16, String), status: u16, words: &[&str]) {
    assert_eq!(page.0, status, "{}", page.1);
    for word in words {
        assert!(page.1.contains(word), "no `{word}` in\n{}", page.1);
    }
}

#[tokio::test]
async fn a_page_says_what_happened() {
    let system = System::without_kafka("web-pages");
    an_empty_list_says_so(&system).await;
    a_refused_form_keeps_what_was_filled_in(&system).await;
    what_was_ordered_is_shown_and_escaped(&system).await;
    a_long_list_has_parts(&system).await;
    a_wrong_query_is_explained(&system).await;
}

async fn an_empty_list_says_so(system: &System) {
    contains(&page(system, "/").await, 200, &["There are no orders yet"]);
    let pending = page(system, "/list_orders?state=pending").await;
    contains(&pending, 200, &["No order is pending"]);
}

async fn a_refused_form_keeps_what_was_filled_in(system: &System) {
    let form = "user_id=seven&pokemon=%22%3E%3Cscript%3E&country=&price=1e999";
    let refused = send(system, form).await;
    contains(
        &refused,
        422,
        &[
            "The order was not accepted",
            r#"value="seven""#,
            r#"id="user_id-problem">This must be a whole number"#,
            r#"id="country-problem">Please fill this in"#,
            r#"id="price-problem">This must be a number"#,
            r#"aria-describedby="price-hint price-problem""#,
        ],
    );
    assert!(!refused.1.contains("<script>"));
    assert!(!refused.1.contains("pokemon-problem"));
}

async fn what_was_ordered_is_shown_and_escaped(system: &System) {
    let made = send(
        system,
        "user_id=1&pokemon=%3Cb%3Ebold&country=C%C3%B4te+d%27Ivoire&price=20.5",
    )
    .await;
    contains(
        &made,
        200,
        &["is stored", "&#60;b&#62;bold", "Côte d&#39;Ivoire", "20.5"],
    );
    let list = page(system, "/list_orders").await;
    contains(&list, 200, &["&#60;b&#62;bold", r#"class="state pending""#]);
    assert!(!list.1.contains("<b>"));
}

async fn a_long_list_has_parts(system: &System) {
    for _ in 0..4 {
        contains(
            &send(system, "user_id=2&pokemon=abra&country=Peru&price=1").await,
            200,
            &[],
        );
    }
    let middle = page(system, "/list_orders?state=pending&skip=2&limit=2").await;
    contains(
        &middle,
        200,
        &[
            ": 3 to 4",
            r#"rel="prev" href="/list_orders?state=pending&#38;skip=0&#38;limit=2""#,
            r#"rel="next" href="/list_orders?state=pending&#38;skip=4&#38;limit=2""#,
        ],
    );
    let last = page(system, "/list_orders?skip=4&limit=2").await;
    contains(&last, 200, &[": 5 to 5", r#"rel="prev""#]);
    assert!(!last.1.contains(r#"rel="next""#));
}

async fn a_wrong_query_is_explained(system: &System) {
    // As published: an unknown state is ignored.
    let all = page(system, "/list_orders?state=gone").await;
    contains(&all, 200, &["All orders", ": 1 to 5"]);
    let wrong = page(system, "/list_orders?limit=0&skip=x").await;
    contains(
        &wrong,
        422,
        &[
            "limit: Input should be greater than 0",
            "skip: Input should be a valid integer",
        ],
    );
}
