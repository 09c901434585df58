//! The result as one JSON object, for programs. Times are seconds since the run began.

use serde_json::{Map, Value, json as value};
use shaketable_engine::RunRecord;

/// The object.
pub fn json(record: &RunRecord) -> Value {
    let seconds = |us: Option<u64>| us.map(|us| us as f64 / 1e6);
    let ledger = record.ledger.as_ref().map(|ledger| {
        let c = ledger.counts();
        let stages: Map<String, Value> = ledger
            .stages()
            .iter()
            .map(|stage| {
                (
                    stage.name.clone(),
                    value!({
                        "role": stage.role,
                        "records": stage.records,
                        "ids": stage.ids,
                        "once": stage.once,
                        "duplicated": stage.duplicated,
                        "missing": stage.missing,
                        "unclaimed": stage.unclaimed,
                        "incomplete": stage.incomplete,
                    }),
                )
            })
            .collect();
        value!({
            "attempted": c.attempted,
            "acknowledged": c.acknowledged,
            "failed": c.failed,
            "indeterminate": c.indeterminate,
            "settled": c.settled,
            "unwanted": c.unwanted,
            "stuck": c.stuck,
            "lost": c.lost,
            "late": c.late,
            "duplicated": c.duplicated,
            "conflicting": c.conflicting,
            "repeated": c.repeated,
            "phantom": c.phantom,
            "scattered": c.scattered,
            "resolved_plus": c.resolved_plus,
            "resolved_minus": c.resolved_minus,
            "stages": stages,
            "findings": ledger.findings().iter().map(|finding| value!({
                "kind": finding.kind,
                "class": finding.class,
                "stage": finding.stage,
                "count": finding.count,
                "certain": finding.certain,
            })).collect::<Vec<_>>(),
        })
    });
    let faults: Vec<Value> = record
        .faults
        .iter()
        .map(|fault| {
            value!({
                "name": fault.name,
                "fault": fault.fault,
                "target": fault.target,
                "instance": fault.instance,
                "applied_at": seconds(fault.applied_us),
                "confirmed": fault.confirmed.is_yes(),
                "confirmed_at": seconds(fault.confirmed_us),
                "confirmation": fault.confirmed.detail(),
                "released_at": seconds(fault.released_us),
                "recovered": fault.recovered.is_yes(),
                "recovered_at": seconds(fault.recovered_us),
                "recovery": fault.recovered.detail(),
            })
        })
        .collect();
    let recovery = record.recovery.as_ref().map(|recovery| {
        let mut object = serde_json::to_value(recovery).unwrap_or_default();
        if let Some(object) = object.as_object_mut() {
            object.insert("drain_s".to_owned(), value!(record.drain_s));
        }
        object
    });
    value!({
        "verdict": record.verdict,
        "reasons": record.reasons,
        "run": record.folder,
        "experiment": record.experiment,
        "title": record.title,
        "variant": record.variant,
        "duration_s": record.duration.as_secs_f64(),
        "ready_after_s": record.ready_after.map(|after| after.as_secs_f64()),
        "ledger": ledger,
        "faults": faults,
        "recovery": recovery,
        "latency": record.latency,
        "hypothesis": record.probes,
        "timeline": record.timeline.iter().map(|event| value!({ "at_s": event.at_us as f64 / 1e6, "what": event.what })).collect::<Vec<_>>(),
    })
}
