//! What a renderer is told of a job's events.

#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use burn::train::logger::{EvaluationProgressLogger, TrainingProgressLogger};
use burn::train::renderer::{MetricsRendererEvaluation, MetricsRendererTraining};
use continual::method::{Combine, Figure, Notation};
use continual::trainer::Step;
use continual::{ResultMatrix, Seconds, TaskDiagnostics};

use super::*;

/// Writes down what it is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn tell(&self, words: String) {
        self.0.lock().unwrap().push(words);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn written(state: &MetricState) -> String {
    match state {
        MetricState::Numeric(entry, point) => {
            let text = &entry.serialized_entry.formatted;
            let point = point.as_ref().map(NumericEntry::current);
            format!("{text} {point:?}")
        }
        MetricState::Generic(entry) => entry.serialized_entry.formatted.clone(),
    }
}

impl MetricsRendererTraining for Told {
    fn update_train(&mut self, state: MetricState) {
        self.tell(format!("train {}", written(&state)));
    }
    fn update_valid(&mut self, state: MetricState) {
        self.tell(format!("valid {}", written(&state)));
    }
}

impl MetricsRendererEvaluation for Told {
    fn update_test(&mut self, name: EvaluationName, state: MetricState) {
        self.tell(format!("test {name} {}", written(&state)));
    }
}

impl TrainingProgressLogger for Told {
    fn start(&mut self, epochs: usize, epoch: usize, items: Option<usize>, label: Option<&str>) {
        self.tell(format!("start {epoch}/{epochs} {items:?} {label:?}"));
    }
    fn update_epoch(&mut self, _: usize) {}
    fn start_split(&mut self, _: &str, _: usize) {}
    fn update_split(&mut self, done: usize) {
        self.tell(format!("done {done}"));
    }
    fn end_split(&mut self) {}
    fn end(&mut self) {}
    fn log_event_training(&mut self, event: String) {
        self.tell(event);
    }
}

impl EvaluationProgressLogger for Told {
    fn start_global_progress(&mut self, _: usize) {}
    fn start_test(&mut self, _: &str, _: usize) {}
    fn update_test_progress(&mut self, _: usize) {}
    fn end_test(&mut self) {}
    fn end_global_progress(&mut self) {}
    fn log_event_evaluation(&mut self, _: String) {}
}

impl MetricsRenderer for Told {
    fn manual_close(&mut self) {}
    fn register_metric(&mut self, definition: MetricDefinition) {
        self.tell(format!("metric {}", definition.name));
    }
}

fn step(loss: f64) -> Step {
    Step {
        step: 1,
        steps: 2,
        loss,
        gradient_norm: 0.5,
        learning_rate: 1e-3,
        rows: 8,
        tokens: 100,
    }
}

#[test]
fn a_renderer_is_told_losses_scores_figures_and_progress() {
    let (told, progress) = (Told::default(), Progress::held(100));
    let interrupter = Interrupter::new();
    let tasks = vec!["stance".to_string(), "sums".to_string()];
    let mut screen = Screen::new(
        Box::new(told.clone()),
        interrupter.clone(),
        ("osft", tasks, 2),
        &progress,
    );
    let start = r#"start 1/1 Some(100) Some("osft")"#;
    let metrics = ["metric Loss", "metric Score", "metric Gradient norm"];
    assert_eq!(told.take(), [&metrics[..], &[start]].concat());

    // Questions come before the first task, and a task may be resumed in its middle.
    progress.advance(40, "");
    screen.event(&Event::Answered { questions: 40 });
    assert_eq!(told.take(), ["done 40"]);
    screen.event(&Event::Scored {
        learned: 0,
        task: None,
        score: 99.5,
        beside: None,
        answers: &[],
    });
    assert_eq!(told.take(), ["test general 99.5 Some(99.5)", "done 40"]);
    let matrix = ResultMatrix::new(vec!["stance".into(), "sums".into()]);
    screen.event(&Event::Resumed {
        learned: 1,
        before: 4,
        steps_done: 0,
        matrix: &matrix,
        general: true,
        probed: &[],
    });
    assert_eq!(told.take(), ["Tasks learned", "done 40"]);

    screen.event(&Event::TaskStarted {
        task: 1,
        name: "sums",
    });
    let start = r#"start 1/1 Some(100) Some("sums, task 2 of 2, osft")"#;
    assert_eq!(told.take(), [start, "done 40"]);
    progress.advance(8, "");
    screen.event(&Event::Stepped {
        task: 1,
        name: "sums",
        step: step(2.0),
    });
    let expected = [
        "train 2.0000 Some(2.0)",
        "train 0.5000 Some(0.5)",
        "done 48",
    ];
    assert_eq!(told.take(), expected);
    // A loss that is no number is shown, but is no point of the curve.
    screen.event(&Event::Stepped {
        task: 1,
        name: "sums",
        step: step(f64::NAN),
    });
    assert_eq!(told.take()[0], "train NaN None");
    screen.event(&Event::Validated {
        task: 1,
        name: "sums",
        steps_done: 2,
        loss: 1.5,
    });
    assert_eq!(told.take(), ["valid 1.5000 Some(1.5)", "done 48"]);

    let diagnostics = TaskDiagnostics {
        figures: vec![Figure {
            name: "leak in".into(),
            meaning: "the largest leak".into(),
            value: 4e-7,
            notation: Notation::Scientific(0),
            combine: Combine::Largest,
        }],
        ..TaskDiagnostics::default()
    };
    screen.event(&Event::TaskLearned {
        task: 1,
        name: "sums",
        diagnostics: &diagnostics,
        seconds: Seconds::default(),
    });
    let expected = [
        "Tasks learned",
        "metric leak in",
        "train 4e-7 Some(4e-7)",
        "done 48",
    ];
    assert_eq!(told.take(), expected);
}

#[test]
#[should_panic(expected = "a fault of ours")]
fn a_fault_is_not_taken_for_the_users_wish() {
    let progress = Progress::held(1);
    let renderer = Box::new(Told::default());
    let names = ("osft", Vec::new(), 1);
    let mut screen = Screen::new(renderer, Interrupter::new(), names, &progress);
    screen.guarded(|_| panic!("a fault of ours"));
}
