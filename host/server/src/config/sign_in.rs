//! `[sign_in]`: how people begin who come for their own account page.

use super::section::Section;
use postern_federation::relying_party::FirstStep;

/// `first_step`, here and for applications: `password`, names of identity providers, or both.
pub(super) fn read_first_step(section: &mut Section<'_>) -> FirstStep {
    let options: Vec<String> = section.or(
        "first_step",
        "a list such as [\"password\", \"google\"]",
        vec!["password".to_owned()],
    );
    FirstStep::of(&options)
}

pub(super) fn read(mut section: Section<'_>) -> FirstStep {
    let first_step = read_first_step(&mut section);
    for problem in first_step.check() {
        section.problem(&problem.key, problem.message);
    }
    section.finish();
    first_step
}
