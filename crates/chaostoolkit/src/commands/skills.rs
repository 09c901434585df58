//! `chaos skills`: guides for coding agents. The reference bundles its own; this program bundles none.

use crate::arguments::SkillsTask;
use crate::session::Session;

/// Lists nothing, and says why there is nothing to show or install.
pub fn skills(session: &Session, task: &SkillsTask) -> i32 {
    match task {
        SkillsTask::List => 0,
        SkillsTask::Show(name) => {
            let told = format!(
                "Usage: chaos skills show [OPTIONS] NAME\nTry 'chaos skills show --help' for help.\n\n\
                 Error: Invalid value for NAME: unknown skill '{name}': none is bundled\n"
            );
            session.console.err(&told);
            2
        }
        SkillsTask::Install => {
            session
                .logger
                .error("no skills are bundled with this program, so there are none to install");
            1
        }
    }
}
