//! Calls of native functions: arguments are completed from the site, values that controls have set
//! are filled in, and the function carries it out.

use serde_json::{Map, Value};
use shaketable_experiment::FunctionCall;

use crate::exchange::Exchange;
use crate::probes::Output;
use crate::site::Site;

/// The arguments that say which cluster is meant.
const BOOTSTRAP_SERVERS: &str = "bootstrap_servers";
const CLIENT_PROPERTIES: &str = "client_properties";

/// Carries a call out.
pub async fn call(call: &FunctionCall, site: &Site, exchange: &Exchange) -> Output {
    let qualified = format!("{}.{}", call.module, call.function);
    let function = shaketable_extensions::find(&call.module, &call.function)
        .ok_or_else(|| format!("the function `{qualified}` is not native"))?;
    let mut arguments = call
        .filled_in(&exchange.values())
        .map_err(|reason| format!("{qualified}: {reason}"))?;
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

/// Adds the site's cluster where the function wants one and the call names none.
fn complete(function: &shaketable_extensions::Function, arguments: &mut Map<String, Value>, site: &Site) {
    let wants = |name| function.arguments.iter().any(|known| known.name == name);
    if !wants(BOOTSTRAP_SERVERS) || arguments.contains_key(BOOTSTRAP_SERVERS) {
        return;
    }
    if !site.bootstrap().is_empty() {
        arguments.insert(BOOTSTRAP_SERVERS.to_owned(), site.bootstrap().join(",").into());
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
