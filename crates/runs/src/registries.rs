//! Everything that can be chosen by name.

use benchmarks::{Benchmark, Benchmarks, TaskScore};
use continual::methods::OsftKind;
use continual::{MethodKind, MethodRegistry};
use lm::Model;
use osft::{RuleKind, ShareRules};

/// Methods, benchmarks, scores and OSFT's rules for the number of protected directions, as a
/// command line accepts them. A program can add its own to the built-in ones.
///
/// ```no_run
/// # use runs::Registries;
/// # struct MyMethod;
/// let registries = Registries::builtin();
/// for method in registries.methods.iter() {
///     println!("{}: {}", method.name(), method.help());
/// }
/// ```
#[derive(Clone)]
pub struct Registries {
    /// Methods by name.
    pub methods: MethodRegistry<Model>,
    /// Benchmarks by the names of their commands, and scores.
    pub benchmarks: Benchmarks,
    /// Rules for the number of protected directions.
    pub share_rules: ShareRules,
}

impl Registries {
    /// The built-in entries.
    pub fn builtin() -> Self {
        Self {
            methods: MethodRegistry::builtin(),
            benchmarks: Benchmarks::builtin(),
            share_rules: ShareRules::builtin(),
        }
    }

    /// Adds a method, or replaces the method of the same name.
    #[must_use]
    pub fn with_method(mut self, kind: impl MethodKind<Model>) -> Self {
        self.methods = self.methods.with(kind);
        self
    }

    /// Adds a benchmark.
    #[must_use]
    pub fn with_benchmark(mut self, benchmark: impl Benchmark + 'static) -> Self {
        self.benchmarks = self.benchmarks.with(benchmark);
        self
    }

    /// Adds a score, for suites with a description of their own.
    #[must_use]
    pub fn with_score(mut self, score: impl TaskScore + 'static) -> Self {
        let scores = self.benchmarks.scores().clone().with(score);
        self.benchmarks = self.benchmarks.with_scores(scores);
        self
    }

    /// Adds a rule for the number of directions that OSFT protects.
    #[must_use]
    pub fn with_share_rule(mut self, rule: RuleKind) -> Self {
        self.share_rules = self.share_rules.with(rule);
        self.methods = self
            .methods
            .with(OsftKind::paper(&self.share_rules))
            .with(OsftKind::configured(&self.share_rules));
        self
    }
}

impl Default for Registries {
    fn default() -> Self {
        Self::builtin()
    }
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registries")
            .field("methods", &self.methods.names())
            .field("benchmarks", &self.benchmarks)
            .finish_non_exhaustive()
    }
}
