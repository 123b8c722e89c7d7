//! A job in the terminal renderer of burn-train: losses, scores and the method's own figures as curves,
//! beside the progress of the run.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stdout};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
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
    stdout().is_terminal()
}

/// Shows the events of one job in a renderer of burn-train.
pub struct Screen<'a> {
    /// `None` after it was dropped.
    renderer: Option<Box<dyn MetricsRenderer>>,
    /// What the user stops the run with.
    interrupter: Interrupter,
    progress: &'a Progress,
    /// The name of the job.
    label: String,
    /// The names of its tasks.
    tasks: Vec<String>,
    /// The number of its stages: the tasks, or all of them at once.
    stages: usize,
    metrics: BTreeMap<String, MetricId>,
}

impl<'a> Screen<'a> {
    /// Draws on the terminal, until it is dropped.
    pub fn on_terminal(
        label: &str,
        tasks: Vec<String>,
        stages: usize,
        progress: &'a Progress,
    ) -> Self {
        interrupt::set_drawn_over(true);
        let interrupter = Interrupter::new();
        let renderer = TuiMetricsRendererWrapper::new(interrupter.clone(), None);
        let renderer = Box::new(renderer);
        Self::new(renderer, interrupter, (label, tasks, stages), progress)
    }

    /// Shows a job in any renderer, which stops it by `interrupter`.
    fn new(
        renderer: Box<dyn MetricsRenderer>,
        interrupter: Interrupter,
        (label, tasks, stages): (&str, Vec<String>, usize),
        progress: &'a Progress,
    ) -> Self {
        let mut screen = Self {
            renderer: Some(renderer),
            interrupter,
            progress,
            label: label.to_string(),
            tasks,
            stages,
            metrics: BTreeMap::new(),
        };
        screen.guarded(|screen| {
            screen.register(LOSS, "nats per answer token", false);
            screen.register(SCORE, "0 to 100", true);
            screen.register(GRADIENT_NORM, "after projection, before clipping", false);
            screen.name_stage(&screen.label.clone());
        });
        screen
    }

    /// Shows an event. If the user asks for it, the run stops after this step, once it is saved, or the program ends
    /// here.
    pub fn event(&mut self, event: &Event<'_>) {
        self.guarded(|screen| screen.show(event));
        if self.interrupter.should_stop() {
            interrupt::request();
        }
    }

    /// Does something that may find out that the user has killed the program, for which the renderer panics with a
    /// message of its own.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(self))) else {
            return;
        };
        let message = panic.downcast_ref::<&str>();
        if message != Some(&"Killing training from user input.") {
            resume_unwind(panic);
        }
        // Every thread of the renderer that panics sets the cursor back to where it was before the first drawing, above the
        // renderer's last message of two lines: what is printed now must not be written over it.
        eprint!("\n\n");
        self.progress.release();
        std::process::exit(i32::from(interrupt::EXIT_CODE));
    }

    fn show(&mut self, event: &Event<'_>) {
        match event {
            Event::Resumed { learned, .. } => {
                for _ in 0..*learned {
                    self.count_task();
                }
            }
            // The run itself prints it.
            Event::Prepared { .. } => {}
            Event::TaskStarted { task, name } => {
                let place = format!("task {} of {}", task + 1, self.stages);
                self.name_stage(&format!("{name}, {place}, {}", self.label));
            }
            Event::Stepped { step, .. } => {
                let [loss, norm] = [step.loss, step.gradient_norm];
                self.train(LOSS, loss, format!("{loss:.4}"));
                self.train(GRADIENT_NORM, norm, format!("{norm:.4}"));
            }
            Event::Validated { loss, .. } => {
                let loss = self.number(LOSS, *loss, format!("{loss:.4}"));
                self.with(|renderer| renderer.update_valid(loss));
            }
            Event::TaskLearned { diagnostics, .. } => {
                self.count_task();
                for figure in &diagnostics.figures {
                    self.register(&figure.name, &figure.meaning, false);
                    let text = figure.notation.text(figure.value);
                    self.train(&figure.name, figure.value, text);
                }
            }
            Event::Scored { task, score, .. } => {
                let of = task.and_then(|task| self.tasks.get(task));
                let of = EvaluationName::new(of.map_or("general", String::as_str));
                let score = self.number(SCORE, *score, format!("{score:.1}"));
                self.with(|renderer| renderer.update_test(of, score));
            }
            Event::Answered { .. } | Event::Probed { .. } => (),
        }
        let done = usize::try_from(self.progress.done()).unwrap_or(usize::MAX);
        self.with(|renderer| renderer.update_split(done));
    }

    fn with(&mut self, work: impl FnOnce(&mut dyn MetricsRenderer)) {
        if let Some(renderer) = &mut self.renderer {
            work(renderer.as_mut());
        }
    }

    /// Shows a title. To the renderer, the whole run is one epoch, so that its bar and its time left are those of
    /// the run.
    fn name_stage(&mut self, title: &str) {
        let total = usize::try_from(self.progress.total()).unwrap_or(usize::MAX);
        self.with(|renderer| renderer.start(1, 1, Some(total), Some(title)));
    }

    fn count_task(&mut self) {
        self.with(|renderer| renderer.log_event_training(TASKS_LEARNED.to_string()));
    }

    fn register(&mut self, name: &str, description: &str, higher_is_better: bool) {
        if self.metrics.contains_key(name) {
            return;
        }
        let id = MetricId::new(Arc::new(name.to_string()));
        self.metrics.insert(name.to_string(), id.clone());
        let definition = MetricDefinition {
            metric_id: id,
            name: Arc::new(name.to_string()),
            description: Some(description.to_string()),
            attributes: NumericAttributes {
                unit: None,
                higher_is_better,
            }
            .into(),
        };
        self.with(|renderer| renderer.register_metric(definition));
    }

    fn train(&mut self, name: &str, value: f64, text: String) {
        let value = self.number(name, value, text);
        self.with(|renderer| renderer.update_train(value));
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

impl Drop for Screen<'_> {
    fn drop(&mut self) {
        // The renderer gives the terminal back when it is dropped.
        if let Some(renderer) = self.renderer.take() {
            self.guarded(|_| drop(renderer));
        }
        interrupt::set_drawn_over(false);
    }
}

#[cfg(test)]
mod tests;
