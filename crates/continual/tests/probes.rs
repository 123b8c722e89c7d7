//! What is measured of the model beside its tasks: when, and that a run in pieces measures nothing twice.

use std::cell::RefCell;

use burn::tensor::Device;
use continual::checkpoint::Checkpoints;
use continual::methods::{MultiTaskFt, PerTaskFt, SeqFt};
use continual::trainer::TrainConfig;
use continual::{
    CheckpointPolicy, ContinualError, Event, Method, NoCheckpoints, Probe, Probed, Sequence,
    SequenceOutcome,
};
use lm::Decoder;
use serde_json::{Value, json};

use crate::common::stopping::Stopping;
use crate::common::*;

/// Finds the sum of all weights, and remembers when it was asked.
#[derive(Default)]
struct Sums {
    asked: RefCell<Vec<(usize, usize)>>,
    only_in_the_end: bool,
}

impl Probe<Decoder> for Sums {
    fn measure(
        &self,
        model: &Decoder,
        learned: usize,
        count: usize,
        answered: &mut dyn FnMut(&str, usize) -> Result<(), ContinualError>,
    ) -> Result<Option<Value>, ContinualError> {
        self.asked.borrow_mut().push((learned, count));
        if self.only_in_the_end && learned < count {
            return Ok(None);
        }
        answered("sums", 3)?;
        Ok(Some(json!(sum(model))))
    }
}

fn sum(model: &Decoder) -> f64 {
    weights(model).into_iter().map(f64::from).sum()
}

fn run(
    method: &mut dyn Method<Decoder>,
    probe: &Sums,
    checkpoints: Option<&mut Checkpoints>,
    on_event: &mut dyn FnMut(Event<'_>),
) -> Result<SequenceOutcome<Decoder>, ContinualError> {
    let tokenizer = tokenizer();
    let tasks = tasks(&tokenizer);
    let config = config(TrainConfig::default());
    let sequence = Sequence {
        tokenizer: &tokenizer,
        tasks: &tasks,
        general: None,
        config: &config,
    };
    let latest = checkpoints.as_ref().and_then(|all| all.latest().cloned());
    let mut stopping = checkpoints.map(|all| Stopping(all, 0));
    let policy: &mut dyn CheckpointPolicy = match &mut stopping {
        Some(stopping) => stopping,
        None => &mut NoCheckpoints,
    };
    let start = model(&Device::flex().autodiff());
    sequence.run_probed(
        start,
        method,
        latest.as_ref(),
        policy,
        Some(probe),
        on_event,
    )
}

#[test]
fn a_probe_is_asked_after_every_stage_of_a_common_model() {
    let stages = |method: &mut dyn Method<Decoder>| {
        let (probe, mut rows) = (Sums::default(), 0);
        let outcome = run(method, &probe, None, &mut |event| {
            if let Event::Probed { rows: more, .. } = event {
                rows += more;
            }
        });
        let outcome = outcome.unwrap();
        assert_eq!(rows, 3 * outcome.probed.len());
        if let Some(last) = outcome.probed.last() {
            assert_eq!(last.found, json!(sum(&outcome.model)));
        }
        (probe.asked.into_inner(), outcome.probed.len())
    };
    assert_eq!(stages(&mut SeqFt), (vec![(1, 2), (2, 2)], 2));
    assert_eq!(stages(&mut MultiTaskFt), (vec![(2, 2)], 1));
    assert_eq!(stages(&mut PerTaskFt::new()), (vec![], 0));
}

#[test]
fn a_stage_that_measures_nothing_leaves_nothing() {
    let probe = Sums {
        only_in_the_end: true,
        ..Sums::default()
    };
    let outcome = run(&mut SeqFt, &probe, None, &mut |_| ()).unwrap();
    assert_eq!(probe.asked.into_inner().len(), 2);
    let learned: Vec<usize> = outcome.probed.iter().map(|probed| probed.learned).collect();
    assert_eq!(learned, [2]);
}

#[test]
fn a_run_in_pieces_finds_the_same_and_measures_no_stage_again() {
    let whole = run(&mut SeqFt, &Sums::default(), None, &mut |_| ()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (probe, mut known, mut pieces) = (Sums::default(), None, 0);
    let outcome = loop {
        let mut checkpoints = Checkpoints::open(folder.path().join("run")).unwrap();
        let outcome = run(&mut SeqFt, &probe, Some(&mut checkpoints), &mut |event| {
            if let (Event::Resumed { probed: [_], .. }, None) = (event, known) {
                known = Some(probe.asked.borrow().len());
            }
        });
        match outcome {
            Ok(outcome) => break outcome,
            Err(ContinualError::Interrupted) => pieces += 1,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(pieces > 5);
    assert_eq!(outcome.probed, whole.probed);
    let first: &Probed = &outcome.probed[0];
    assert_eq!(first.learned, 1);
    // The first stage was there when the run went on, and was not asked for again.
    let known = known.expect("a piece begins after the first stage");
    let later = &probe.asked.into_inner()[known..];
    assert!(later.iter().all(|(learned, _)| *learned == 2), "{later:?}");
}
