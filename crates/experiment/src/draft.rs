//! The draft: a document as it was written, from which plans are made as values become known.
//!
//! A plan is made of the whole document three times at most: when it is read, when the values are
//! there that are found out before the run, and, of a single activity, when those are there that are
//! set during the run. Each time variables are filled in first, and everything else follows, checks
//! included. Where a variable has no value yet, errors of the text it stands in are not reported.

use std::fmt;
use std::sync::Arc;

use shaketable_document::{Diagnostics, Node, Span};

use crate::Catalogue;
use crate::configuration::{self, Configuration};
use crate::late::{Late, Order};
use crate::plan::{Activity, Experiment, Found, SecretGroup, Setter, Values};
use crate::read::{Place, Reader};
use crate::{overrides, substitution, table};

/// A document and what is known of its variables.
#[derive(Clone)]
pub(crate) struct Draft(pub(crate) Arc<Shared>);

/// What all plans of a document share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The document, with overrides and references carried out.
    pub(crate) root: Node,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) values: configuration::Values,
    pub(crate) order: Arc<Order>,
    pub(crate) secrets: Vec<SecretGroup>,
}

impl Draft {
    /// The plan, as far as values are known; all that is wrong is added to `diagnostics`.
    pub(crate) fn plan(&self, diagnostics: &mut Diagnostics) -> Option<Experiment> {
        let Draft(shared) = self;
        let mut root = shared.root.clone();
        let mut open = Vec::new();
        substitution::substitute(
            &mut root,
            &shared.values,
            &shared.order,
            &shared.catalogue,
            &mut open,
            diagnostics,
        );
        let mut checked = Diagnostics::new();
        table::with_tables(&shared.catalogue.faults, |tables| {
            shaketable_document::check(&root, &tables.experiment, &mut checked);
        });
        let experiment = Reader::new(self, &mut checked).experiment(&root);
        keep_known(&checked, &open, diagnostics);
        experiment
    }
}

/// Takes over the problems of `checked`, but for those of texts whose variables have no value: what
/// the text would be is not known, or has been reported.
fn keep_known(checked: &Diagnostics, open: &[Span], diagnostics: &mut Diagnostics) {
    let mut unknown: Vec<_> = diagnostics.iter().filter_map(|one| one.span).collect();
    unknown.extend(open);
    for problem in checked.iter() {
        if !problem.span.is_some_and(|span| unknown.contains(&span)) {
            diagnostics.push(problem.clone());
        }
    }
}

impl Experiment {
    /// Whether values have to be found out before the run: `sources` and `secrets`.
    pub fn waits(&self) -> bool {
        !self.draft.0.values.is_complete()
    }

    /// The plan with what was found out before the run.
    ///
    /// # Errors
    /// Values are missing that the document uses, or are not what they have to be where they are
    /// used. The messages may hold them.
    pub fn with(&self, found: &Found) -> Result<Experiment, Diagnostics> {
        let Draft(shared) = &self.draft;
        let draft = Draft(Arc::new(Shared {
            root: shared.root.clone(),
            catalogue: shared.catalogue.clone(),
            values: shared.values.with(found, &shared.root),
            order: shared.order.clone(),
            secrets: shared.secrets.clone(),
        }));
        let mut diagnostics = Diagnostics::new();
        let plan = draft.plan(&mut diagnostics);
        diagnostics.sort();
        match plan {
            Some(plan) if !diagnostics.has_errors() => Ok(plan),
            _ => Err(diagnostics),
        }
    }

    /// All activities of all parts: the hypothesis, the method, the rollbacks, the safeguards.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        let probes = self
            .hypothesis
            .iter()
            .flat_map(|hypothesis| &hypothesis.probes);
        let guards = self.safeguards.iter().map(|guard| &guard.activity);
        probes
            .chain(&self.method)
            .chain(&self.rollbacks)
            .chain(guards)
    }
}

/// What an activity was read from.
#[derive(Clone)]
pub(crate) struct Template {
    pub(crate) draft: Draft,
    /// The activity as it was written.
    pub(crate) raw: Node,
    pub(crate) place: Place,
}

impl Activity {
    /// The activity with the values that have been set by now. Others than those in `late` are not
    /// used.
    ///
    /// # Errors
    /// In words, which value has not been set, or does not fit.
    pub fn filled_in(&self, values: &Values) -> Result<Activity, String> {
        let Template { draft, raw, place } = &self.template;
        if let Some((name, setter)) = self.missing(values) {
            return Err(format!(
                "`${{{name}}}` has no value: {} did not set it",
                substitution::in_words(setter)
            ));
        }
        let shared = &draft.0;
        let mut configuration: Configuration = shared.values.known.clone();
        for name in self.late.keys() {
            if let Some(value) = values.get(name) {
                let node = overrides::node(value, raw.span);
                configuration.insert(name.clone(), Some(node));
            }
        }
        let nothing = Late::new();
        let names = substitution::Names {
            configuration: &configuration,
            values: &shared.values,
            all: &nothing,
            set: &nothing,
            python: false,
            planned_before: None,
        };
        let mut node = raw.clone();
        let mut diagnostics = Diagnostics::new();
        substitution::replace_all(&mut node, &names, &mut diagnostics);
        table::with_tables(&shared.catalogue.faults, |tables| {
            let table = tables.of(place.section);
            shaketable_document::check(&node, table, &mut diagnostics);
        });
        let place = Place {
            section: place.section,
            ..Place::default()
        };
        let activity = Reader::new(draft, &mut diagnostics).activity(&node, raw, &place);
        match activity {
            Some(activity) if !diagnostics.has_errors() => Ok(activity),
            _ => Err(diagnostics.to_string()),
        }
    }

    /// What sets the first value that the activity cannot do without and that is not set yet.
    pub fn waits_for(&self, values: &Values) -> Option<&Setter> {
        self.missing(values).map(|(_, setter)| setter)
    }

    fn missing(&self, values: &Values) -> Option<(&str, &Setter)> {
        let mut late = self.late.iter();
        late.find(|(name, late)| late.is_required && !values.contains_key(*name))
            .map(|(name, late)| (name.as_str(), &late.set_by))
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Draft")
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Template")
    }
}

/// Plans are equal when what was read is.
impl PartialEq for Draft {
    fn eq(&self, _: &Draft) -> bool {
        true
    }
}

impl PartialEq for Template {
    fn eq(&self, _: &Template) -> bool {
        true
    }
}
