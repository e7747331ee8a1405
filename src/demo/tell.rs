//! How the story is told: numbered chapters, a line for everything that was seen, and a count of what was not as it
//! should be.

/// The story so far.
#[derive(Default)]
pub(super) struct Tell {
    chapter: u32,
    checks: u32,
    wrong: Vec<String>,
}

impl Tell {
    /// Begins a chapter.
    pub(super) fn chapter(&mut self, title: &str) {
        self.chapter += 1;
        println!("\n{}. {title}", self.chapter);
    }

    /// Tells what should be so, and whether it is.
    pub(super) fn check(&mut self, is_so: bool, text: &str) {
        self.checks += 1;
        if is_so {
            println!("   ✓ {text}");
        } else {
            println!("   ✗ NOT SO: {text}");
            self.wrong.push(text.to_owned());
        }
    }

    /// Ends the story.
    ///
    /// # Errors
    /// What was not as it should be.
    pub(super) fn end(self) -> Result<(), String> {
        if self.wrong.is_empty() {
            println!("\nAll {} things that this story says were checked, and are so.", self.checks);
            return Ok(());
        }
        Err(format!(
            "{} of {} things were not as they should be: {}",
            self.wrong.len(),
            self.checks,
            self.wrong.join("; ")
        ))
    }
}

/// Tells something that needs no check.
pub(super) fn say(text: &str) {
    println!("     {text}");
}
