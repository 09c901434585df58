//! The pages in a real browser, as a reader with or without a dark scheme and on a telephone sees
//! them. Screenshots are left in the target's folder for temporary files, `web-*.png`.

use std::path::Path;
use std::time::Duration;

use fantoccini::{Client, Locator};

use crate::driver::{Driver, Reader};
use crate::system::System;

/// How long a page may take to appear.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);

/// How often it is looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// Every operation that the page about the API has to show.
const OPERATIONS: [&str; 9] = [
    "GET /orders/",
    "POST /orders/",
    "GET /orders/{id}",
    "PUT /orders/{id}",
    "DELETE /orders",
    "GET /create_order",
    "POST /create_order",
    "GET /list_orders",
    "GET /health",
];

#[tokio::test]
async fn a_person_orders_finds_the_order_and_reads_about_the_api() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let system = System::with_kafka("web-browser");
    for reader in [Reader::Light, Reader::Dark, Reader::Telephone] {
        let browser = driver.open(reader).await;
        let visit = Visit {
            browser: &browser,
            system: &system,
            reader,
        };
        let id = visit.orders().await;
        visit.finds(&id).await;
        visit.reads_about_the_api().await;
        browser.close().await.unwrap();
    }
    // What was ordered in a browser is produced like any other order.
    let produced = "poke_produced_total{topic=\"poke-orders\"} 3";
    let all_produced = async {
        while !system.metrics().await.contains(produced) {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    };
    let all_produced = tokio::time::timeout(PAGE_TIMEOUT, all_produced).await;
    all_produced.unwrap_or_else(|_| panic!("no `{produced}`"));
}

struct Visit<'a> {
    browser: &'a Client,
    system: &'a System,
    reader: Reader,
}

impl Visit<'_> {
    /// Fills the form in, wrongly at first; returns the order's id.
    async fn orders(&self) -> String {
        self.open("/create_order").await;
        self.looks_right("form").await;
        self.fill("user_id", "seven").await;
        self.fill("pokemon", "pidgey").await;
        self.fill("country", "Chile").await;
        self.fill("price", "20.5").await;
        self.press("Order").await;
        let problem = self.appears("#user_id-problem").await;
        assert!(problem.contains("whole number"), "{problem}");
        self.looks_right("refused").await;

        // What was right is still there.
        let user = self.browser.find(Locator::Id("user_id")).await.unwrap();
        user.clear().await.unwrap();
        user.send_keys("7").await.unwrap();
        self.press("Order").await;
        let id = self.appears("#order-id").await;
        self.looks_right("created").await;
        id
    }

    /// Finds the order in the list, through the links and the filter that the pages offer.
    async fn finds(&self, id: &str) {
        self.follow("Orders").await;
        let state = Locator::Id("state");
        let state = self.browser.find(state).await.unwrap();
        state.select_by_label("pending").await.unwrap();
        self.press("Show").await;
        let caption = self.appears("caption").await;
        assert!(caption.starts_with("Orders that are pending"), "{caption}");
        let row = format!("//tr[th/a[text()='{id}']]");
        let row = self.browser.find(Locator::XPath(&row)).await.unwrap();
        let text = row.text().await.unwrap();
        for value in ["pending", "pidgey", "Chile", "20.5", "7"] {
            assert!(text.contains(value), "no {value} in {text}");
        }
        self.looks_right("list").await;
    }

    /// Sees every operation at `/docs`.
    async fn reads_about_the_api(&self) {
        self.follow("API").await;
        self.appears(".operation").await;
        let headings = Locator::Css("section.operation > h2");
        let mut operations = Vec::new();
        for heading in self.browser.find_all(headings).await.unwrap() {
            operations.push(heading.text().await.unwrap());
        }
        for operation in OPERATIONS {
            assert!(
                operations.iter().any(|one| one == operation),
                "no {operation} in {operations:?}"
            );
        }
        self.looks_right("docs").await;
    }

    async fn open(&self, path: &str) {
        let url = format!("{}{path}", self.system.api);
        self.browser.goto(&url).await.unwrap();
    }

    async fn fill(&self, field: &str, text: &str) {
        // By its label, as a person finds it, so that there has to be one.
        let label = format!("label[for='{field}']");
        let label = self.browser.find(Locator::Css(&label)).await.unwrap();
        label.click().await.unwrap();
        let focused = self.browser.active_element().await.unwrap();
        assert_eq!(focused.attr("name").await.unwrap().as_deref(), Some(field));
        focused.send_keys(text).await.unwrap();
    }

    async fn press(&self, button: &str) {
        let button = format!("//button[text()='{button}']");
        self.leave_by(Locator::XPath(&button)).await;
    }

    async fn follow(&self, link: &str) {
        self.leave_by(Locator::LinkText(link)).await;
    }

    /// Clicks, and waits until the page is another one.
    async fn leave_by(&self, locator: Locator<'_>) {
        let page = self.browser.find(Locator::Css("html")).await.unwrap();
        let way = self.browser.find(locator).await.unwrap();
        way.click().await.unwrap();
        let left = async {
            while page.tag_name().await.is_ok() {
                tokio::time::sleep(LOOK_INTERVAL).await;
            }
        };
        let left = tokio::time::timeout(PAGE_TIMEOUT, left).await;
        left.unwrap_or_else(|_| panic!("{locator:?} leads nowhere"));
    }

    /// Waits until there is such an element; returns its text.
    async fn appears(&self, selector: &str) -> String {
        let wait = self.browser.wait().at_most(PAGE_TIMEOUT);
        let element = wait.for_element(Locator::Css(selector)).await;
        let element = element.unwrap_or_else(|error| panic!("no {selector}: {error}"));
        element.text().await.unwrap()
    }

    /// Takes a picture. Fails when the page is wider than the screen, not in the reader's scheme,
    /// without its style, or when an input has no label.
    async fn looks_right(&self, page: &str) {
        let seen = self
            .browser
            .execute(
                "const ground = getComputedStyle(document.body).backgroundColor;
                 const inputs = [...document.querySelectorAll('input, select')];
                 return {
                   lang: document.documentElement.lang,
                   headings: document.querySelectorAll('h1').length,
                   overflow: document.documentElement.scrollWidth - window.innerWidth,
                   width: window.innerWidth,
                   dark: ground === 'rgb(20, 24, 29)',
                   light: ground === 'rgb(255, 255, 255)',
                   labelled: inputs.every(input => input.labels.length === 1),
                 };",
                vec![],
            )
            .await
            .unwrap();
        let name = format!("web-{page}-{:?}.png", self.reader).to_lowercase();
        assert_eq!(seen["lang"], "en", "{name}");
        assert_eq!(seen["headings"], 1, "{name}");
        assert!(seen["overflow"].as_i64().unwrap() <= 0, "{name}: {seen}");
        assert_eq!(seen["dark"], self.reader == Reader::Dark, "{name}: {seen}");
        assert_eq!(seen["light"], self.reader != Reader::Dark, "{name}: {seen}");
        assert_eq!(seen["labelled"], true, "{name}");
        if self.reader == Reader::Telephone {
            assert_eq!(seen["width"], 390, "{name}");
        }
        let picture = self.browser.screenshot().await.unwrap();
        std::fs::write(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name), picture).unwrap();
    }
}
