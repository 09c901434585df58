//! Calls of native functions: arguments are completed from the site, and the function carries it out.

use serde_json::{Map, Value};
use shaketable_experiment::FunctionCall;

use crate::probes::Output;
use crate::site::Site;

/// The arguments that say which cluster is meant.
const BOOTSTRAP_SERVERS: &str = "bootstrap_servers";
const CLIENT_PROPERTIES: &str = "client_properties";
/// The function that writes records, in every module that has it.
const PRODUCE: &str = "produce_messages";

/// Carries a call out.
pub async fn call(call: &FunctionCall, site: &Site) -> Output {
    let qualified = format!("{}.{}", call.module, call.function);
    let function = shaketable_extensions::find(&call.module, &call.function)
        .ok_or_else(|| format!("the function `{qualified}` is not native"))?;
    let mut arguments = call.arguments.clone();
    complete(function, &mut arguments, site);
    function
        .call(&arguments)
        .await
        .map_err(|failure| failure.to_string())
}

/// What is wrong with a call's arguments, as far as they are known before the run.
pub fn check(call: &FunctionCall, site: &Site) -> Vec<String> {
    let Some(function) = shaketable_extensions::find(&call.module, &call.function) else {
        return vec![format!(
            "the function `{}.{}` is not native",
            call.module, call.function
        )];
    };
    let mut arguments = call.arguments.clone();
    complete(function, &mut arguments, site);
    function.check(&arguments)
}

/// Whether a call writes records to the site's own cluster; it returns their places.
pub fn writes_to_site(call: &FunctionCall, site: &Site) -> bool {
    call.function == PRODUCE && is_of_site(call.arguments.get(BOOTSTRAP_SERVERS), site)
}

/// Whether bootstrap servers are the site's: none were given, or they are among the site's.
fn is_of_site(given: Option<&Value>, site: &Site) -> bool {
    match given.and_then(Value::as_str) {
        None => true,
        Some(servers) => servers
            .split(',')
            .map(str::trim)
            .any(|server| site.bootstrap().iter().any(|own| own == server)),
    }
}

/// Adds the site's cluster where the function wants one and the call names none, and the site's
/// client properties where the call is about that cluster.
fn complete(
    function: &shaketable_extensions::Function,
    arguments: &mut Map<String, Value>,
    site: &Site,
) {
    let wants = |name| function.arguments.iter().any(|known| known.name == name);
    if !wants(BOOTSTRAP_SERVERS) || !is_of_site(arguments.get(BOOTSTRAP_SERVERS), site) {
        return;
    }
    if !site.bootstrap().is_empty() {
        arguments
            .entry(BOOTSTRAP_SERVERS)
            .or_insert_with(|| site.bootstrap().join(",").into());
    }
    if wants(CLIENT_PROPERTIES) && !site.properties().is_empty() {
        let properties = site.properties().iter();
        let properties: Map<String, Value> = properties
            .map(|(name, value)| (name.clone(), value.clone().into()))
            .collect();
        arguments
            .entry(CLIENT_PROPERTIES)
            .or_insert(properties.into());
    }
}
