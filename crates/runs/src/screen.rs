//! A job in the terminal renderer of burn-train: losses, scores and the method's own figures as curves,
//! beside the progress of the run.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::train::Interrupter;
use burn::train::metric::{
    MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry, SerializedEntry,
};
use burn::train::renderer::tui::TuiMetricsRendererWrapper;
use burn::train::renderer::{EvaluationName, MetricState, MetricsRenderer};
use continual::Event;

use crate::interrupt;
use crate::progress::Progress;

const LOSS: &str = "Loss";
const GRADIENT_NORM: &str = "Gradient norm";
const SCORE: &str = "Score";
const TASKS_LEARNED: &str = "Tasks learned";

/// Whether there is a terminal to draw on.
pub fn has_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Shows the events of one job in a renderer of burn-train.
pub struct Screen {
    renderer: Box<dyn MetricsRenderer>,
    /// What the user stops the run with.
    interrupter: Interrupter,
    /// The name of the job.
    label: String,
    /// The names of its tasks.
    tasks: Vec<String>,
    metrics: BTreeMap<String, MetricId>,
}

impl Screen {
    /// Draws on the terminal, until it is dropped.
    pub fn on_terminal(label: &str, tasks: Vec<String>) -> Self {
        interrupt::set_drawn_over(true);
        let interrupter = Interrupter::new();
        let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        Self::new(Box::new(renderer), interrupter, label, tasks)
    }

    /// Shows a job in any renderer, which stops it by `interrupter`.
    pub fn new(
        renderer: Box<dyn MetricsRenderer>,
        interrupter: Interrupter,
        label: &str,
        tasks: Vec<String>,
    ) -> Self {
        let mut screen = Self {
            renderer,
            interrupter,
            label: label.to_string(),
            tasks,
            metrics: BTreeMap::new(),
        };
        screen.register(LOSS, "nats per answer token", false);
        screen.register(SCORE, "0 to 100", true);
        screen.register(GRADIENT_NORM, "after projection, before clipping", false);
        screen
    }

    /// Shows an event. If the user has asked for it, the run stops after this step, once it is saved; if the user
    /// has asked for the program to be killed, it ends here.
    pub fn event(&mut self, event: &Event<'_>, progress: &Progress) {
        // The renderer panics to kill a program, with a message of its own.
        let shown = catch_unwind(AssertUnwindSafe(|| self.show(event, progress)));
        if shown.is_err() {
            std::process::exit(i32::from(interrupt::EXIT_CODE));
        }
        if self.interrupter.should_stop() {
            interrupt::request();
        }
    }

    fn show(&mut self, event: &Event<'_>, progress: &Progress) {
        match event {
            Event::Resumed { learned, .. } => {
                for _ in 0..*learned {
                    self.renderer.log_event_training(TASKS_LEARNED.to_string());
                }
            }
            Event::TaskStarted { task, name } => {
                let place = format!("task {} of {}", task + 1, self.tasks.len());
                let label = format!("{name}, {place}, {}", self.label);
                let total = progress.total() as usize;
                // Without epochs, as in reinforcement learning: the items are those of the whole run.
                self.renderer.start(0, 0, Some(total), Some(&label));
            }
            Event::Stepped { step, .. } => {
                let loss = self.number(LOSS, step.loss, format!("{:.4}", step.loss));
                self.renderer.update_train(loss);
                let norm = step.gradient_norm;
                let norm = self.number(GRADIENT_NORM, norm, format!("{norm:.4}"));
                self.renderer.update_train(norm);
            }
            Event::Validated { loss, .. } => {
                let loss = self.number(LOSS, *loss, format!("{loss:.4}"));
                self.renderer.update_valid(loss);
            }
            Event::TaskLearned { diagnostics, .. } => {
                self.renderer.log_event_training(TASKS_LEARNED.to_string());
                for figure in &diagnostics.figures {
                    self.register(&figure.name, &figure.meaning, false);
                    let text = figure.notation.text(figure.value);
                    let value = self.number(&figure.name, figure.value, text);
                    self.renderer.update_train(value);
                }
            }
            Event::Scored { task, score, .. } => {
                let of = task.and_then(|task| self.tasks.get(task));
                let of = EvaluationName::new(of.map_or("general", String::as_str));
                let score = self.number(SCORE, *score, format!("{score:.1}"));
                self.renderer.update_test(of, score);
            }
            Event::Answered { .. } => (),
        }
        // The renderer divides by what is done.
        if let Ok(done @ 1..) = progress.done().try_into() {
            self.renderer.update_split(done);
        }
    }

    fn register(&mut self, name: &str, description: &str, higher_is_better: bool) {
        if self.metrics.contains_key(name) {
            return;
        }
        let id = MetricId::new(Arc::new(name.to_string()));
        self.metrics.insert(name.to_string(), id.clone());
        self.renderer.register_metric(MetricDefinition {
            metric_id: id,
            name: Arc::new(name.to_string()),
            description: Some(description.to_string()),
            attributes: NumericAttributes {
                unit: None,
                higher_is_better,
            }
            .into(),
        });
    }

    /// A point of a registered metric's curve, none where it is not finite.
    fn number(&self, name: &str, value: f64, text: String) -> MetricState {
        let entry = MetricEntry::new(
            self.metrics[name].clone(),
            SerializedEntry::new(text, value.to_string()),
        );
        let point = value.is_finite().then_some(NumericEntry::Value(value));
        MetricState::Numeric(entry, point)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        interrupt::set_drawn_over(false);
    }
}
