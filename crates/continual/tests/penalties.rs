//! Methods that pull the weights towards earlier ones: their gradients are those of their formulas, and what they know
//! of earlier tasks goes on in another process.

use burn::module::{Module, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Distribution, Tensor};
use continual::checkpoint::{Checkpoint, StatePart};
use continual::methods::{Ewc, EwcConfig, L2Sp, L2SpConfig, SeqFt};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method, Task, TaskContext};
use lm::{Decoder, Example, LanguageModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::common::*;

/// Runs `then` with the context of a task.
fn at<T>(tasks: &[Task], index: usize, then: impl FnOnce(TaskContext<'_>) -> T) -> T {
    then(TaskContext {
        index,
        count: tasks.len(),
        first: 0,
        task: &tasks[index],
        clock: &Clock::start(),
        optimizer: &TrainConfig::default().optimizer(),
    })
}

/// All gradients of a module in its order, in f64; a parameter without one has zeros.
fn flat<M: Module>(module: &M, grads: &GradientsParams) -> Vec<f64> {
    struct Flat<'a>(&'a GradientsParams, Vec<f64>);
    impl ModuleVisitor for Flat<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            match self.0.get::<D>(param.id) {
                Some(grad) => self.1.extend(grad.into_data().iter::<f64>()),
                None => self.1.extend(vec![0.0; param.shape().num_elements()]),
            }
        }
    }
    let mut visitor = Flat(grads, Vec::new());
    module.visit(&mut visitor);
    visitor.1
}

/// Draws a gradient for every parameter.
fn drawn_gradients<M: Module>(module: &M, device: &Device) -> GradientsParams {
    struct Register<'a>(GradientsParams, &'a Device);
    impl ModuleVisitor for Register<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let normal = Distribution::Normal(0.0, 1.0);
            let drawn = Tensor::<D>::random(param.shape(), normal, self.1);
            self.0.register(param.id, drawn);
        }
    }
    let mut visitor = Register(GradientsParams::new(), device);
    module.visit(&mut visitor);
    visitor.0
}

fn moved<M: Module>(model: M, random: &mut ChaCha8Rng) -> M {
    let values = weights(&model).into_iter();
    let values: Vec<f32> = values
        .map(|value| value + random.random_range(-0.5..0.5))
        .collect();
    with_weights(model, &values).set_require_grad(true)
}

fn f64s(values: Vec<f32>) -> Vec<f64> {
    values.into_iter().map(f64::from).collect()
}

/// Compares f32 with f64: `terms` roundings of half a unit in the last place, of numbers up to the largest.
fn assert_close(found: &[f64], expected: &[f64], terms: f64, case: &str) {
    assert_eq!(found.len(), expected.len(), "{case}");
    let largest = expected.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    for (found, expected) in found.iter().zip(expected) {
        let error = (found - expected).abs();
        let bound = terms * 2.0_f64.powi(-24) * largest;
        assert!(error <= bound, "{case}: {found} {expected}");
    }
}

#[test]
fn l2_sp_adds_the_gradient_of_its_formula() {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let tasks = tasks(&tokenizer());
    for (backend, device) in backends() {
        for case in 0..6 {
            let [d_in, d_out] = [random.random_range(1..40), random.random_range(1..40)];
            let strength = 10.0_f64.powf(random.random_range(-4.0..2.0));
            let mut method = L2Sp::<Linear>::new(L2SpConfig { strength }).unwrap();
            let start = LinearConfig::new(d_in, d_out).init(&device.clone().autodiff());
            let (model, _) = at(&tasks, 0, |at| method.begin_task(start.clone(), at)).unwrap();
            let model = moved(model, &mut random);
            let grads = drawn_gradients(&model, &device);
            let [own, now, before] = [
                flat(&model, &grads),
                f64s(weights(&model)),
                f64s(weights(&start)),
            ];
            let expected = own.iter().zip(now.iter().zip(&before));
            let expected: Vec<f64> = expected
                .map(|(own, (now, before))| own + strength * (now - before))
                .collect();
            let found = flat(&model, &method.project(&model, grads));
            // A difference, a product and a sum.
            assert_close(&found, &expected, 4.0, &format!("{backend} {case}"));
        }
    }
}

#[test]
fn a_stronger_pull_ends_closer_to_the_start() {
    let (_, device) = backends().remove(1);
    let distances = [0.0, 0.1, 10.0].map(|strength| {
        let mut method = L2Sp::new(L2SpConfig { strength }).unwrap();
        let (outcome, _) = run(&device, &mut method, &config(TrainConfig::default()));
        outcome.diagnostics[1].figure("distance").unwrap()
    });
    assert!(distances.is_sorted_by(|a, b| a > b), "{distances:?}");
}

/// The mean over rows of the squared gradient of a row's answer log-likelihood, from one backward pass per row.
fn fisher_by_hand(model: &Decoder, rows: &[Example]) -> Vec<f64> {
    let mut sums = vec![0.0; weights(model).len()];
    for row in rows {
        let (loss, _) = model.answer_loss(std::slice::from_ref(row));
        let grads = GradientsParams::from_grads(loss.backward(), model);
        for (sum, gradient) in sums.iter_mut().zip(flat(model, &grads)) {
            *sum += gradient * gradient / rows.len() as f64;
        }
    }
    sums
}

fn rows(task: &Task, places: &[usize]) -> Vec<Example> {
    let places = places.iter();
    places.map(|&row| task.train.get(row).unwrap()).collect()
}

#[test]
fn the_fisher_information_and_its_penalty_are_those_of_the_formulas() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let tasks = tasks(&tokenizer());
    for (backend, device) in backends() {
        let settings = EwcConfig {
            strength: 7.0,
            decay: 0.6,
            rows: 6,
            ..EwcConfig::default()
        };
        let mut method = Ewc::new(settings).unwrap();
        let start = model(&device.clone().autodiff());
        let (first, _) = at(&tasks, 0, |at| method.begin_task(start, at)).unwrap();
        let first = moved(first, &mut random);
        let grads = drawn_gradients(&first, &device);
        let own = flat(&first, &grads);
        let unchanged = flat(&first, &method.project(&first, grads));
        assert_eq!(unchanged, own, "{backend}: the first task has no penalty");
        // Six of forty rows, at even distances.
        let chosen = [0, 6, 13, 20, 26, 33];
        let of_first = fisher_by_hand(&first, &rows(&tasks[0], &chosen));
        let (first, _) = at(&tasks, 0, |at| method.end_task(first, at)).unwrap();
        let found = f64s(weights(method.fisher().unwrap()));
        // Both are sums of f32 gradients, whose parts are summed in another order: products with some hundred terms.
        assert_close(&found, &of_first, 200.0, backend);
        assert!(found.iter().any(|&value| value > 0.0), "{backend}");

        let anchor = f64s(weights(&first));
        let (second, _) = at(&tasks, 1, |at| method.begin_task(first, at)).unwrap();
        let second = moved(second, &mut random);
        let now = f64s(weights(&second));
        let grads = drawn_gradients(&second, &device);
        let own = flat(&second, &grads);
        let parts = now.iter().zip(&anchor).zip(&found).zip(own);
        let expected: Vec<f64> = parts
            .map(|(((now, anchor), fisher), own)| own + 7.0 * fisher * (now - anchor))
            .collect();
        let projected = flat(&second, &method.project(&second, grads));
        // A difference, two products and a sum.
        assert_close(&projected, &expected, 5.0, backend);

        let of_second = fisher_by_hand(&second, &rows(&tasks[1], &chosen));
        at(&tasks, 1, |at| method.end_task(second, at)).unwrap();
        let both = of_first.iter().zip(&of_second);
        let both: Vec<f64> = both.map(|(first, second)| 0.6 * first + second).collect();
        let found = f64s(weights(method.fisher().unwrap()));
        assert_close(&found, &both, 200.0, backend);
    }
}

#[test]
fn the_base_model_is_protected_from_the_first_task_on_if_asked_for() {
    let mut random = ChaCha8Rng::seed_from_u64(4);
    let tasks = tasks(&tokenizer());
    for (backend, device) in backends() {
        let settings = EwcConfig {
            strength: 7.0,
            protect_base: true,
            rows: 6,
            ..EwcConfig::default()
        };
        let base_rows = rows(&tasks[1], &[3, 8, 21]);
        let method = Ewc::new(settings).unwrap();
        let mut method = method.with_base(base_rows.clone(), 0.5);
        let start = model(&device.clone().autodiff());
        let of_base = fisher_by_hand(&start.clone().set_require_grad(true), &base_rows);
        let half: Vec<f64> = of_base.iter().map(|value| 0.5 * value).collect();
        let anchor = f64s(weights(&start));
        let (first, _) = at(&tasks, 0, |at| method.begin_task(start, at)).unwrap();
        let found = f64s(weights(method.fisher().unwrap()));
        // As above.
        assert_close(&found, &half, 200.0, backend);
        let first = moved(first, &mut random);
        let now = f64s(weights(&first));
        let grads = drawn_gradients(&first, &device);
        let parts = now
            .iter()
            .zip(&anchor)
            .zip(&found)
            .zip(flat(&first, &grads));
        let expected: Vec<f64> = parts
            .map(|(((now, anchor), fisher), own)| own + 7.0 * fisher * (now - anchor))
            .collect();
        let projected = flat(&first, &method.project(&first, grads));
        assert_close(&projected, &expected, 5.0, backend);
        let chosen = [0, 6, 13, 20, 26, 33];
        let of_first = fisher_by_hand(&first, &rows(&tasks[0], &chosen));
        at(&tasks, 0, |at| method.end_task(first, at)).unwrap();
        let both = half.iter().zip(&of_first).map(|(base, task)| base + task);
        let found = f64s(weights(method.fisher().unwrap()));
        assert_close(&found, &both.collect::<Vec<f64>>(), 200.0, backend);

        let mut without = Ewc::new(settings).unwrap();
        let start = model(&device.clone().autodiff());
        let error = at(&tasks, 0, |at| without.begin_task(start, at)).map(|_| ());
        let error = error.unwrap_err();
        assert!(error.to_string().contains("base model"), "{error}");
    }
}

#[test]
fn no_strength_is_sequential_fine_tuning_bit_for_bit() {
    for (backend, device) in backends() {
        let settings = config(TrainConfig::default());
        let (expected, expected_steps) = run(&device, &mut SeqFt, &settings);
        let l2_sp = L2Sp::new(L2SpConfig { strength: 0.0 }).unwrap();
        let ewc = EwcConfig {
            strength: 0.0,
            ..EwcConfig::default()
        };
        let methods: [(&str, Box<dyn Method<Decoder>>); 2] = [
            ("l2-sp", Box::new(l2_sp)),
            ("ewc", Box::new(Ewc::new(ewc).unwrap())),
        ];
        for (name, mut method) in methods {
            let (found, steps) = run(&device, method.as_mut(), &settings);
            assert_eq!(steps, expected_steps, "{backend} {name}");
            let [found, expected] = [&found, &expected].map(|outcome| weights(&outcome.model));
            assert_eq!(found, expected, "{backend} {name}");
        }
    }
}

#[test]
fn what_ewc_carries_protects_the_tasks_in_another_process() {
    let (_, device) = backends().remove(1);
    let tasks = tasks(&tokenizer());
    let mut before = Ewc::new(EwcConfig::default()).unwrap();
    let (learned, _) = run(&device, &mut before, &config(TrainConfig::default()));
    let folder = tempfile::tempdir().unwrap();
    for part in Method::<Decoder>::carried(&before) {
        let path = folder.path().join(part.name());
        StatePart::write_to(part, &path).unwrap();
    }
    // A model with the same weights, whose parameters have identities of their own.
    let start = with_weights(model(&device.clone().autodiff()), &weights(&learned.model));
    let carried = Checkpoint::of_parts(folder.path());
    let mut after = Ewc::new(EwcConfig::default()).unwrap();
    after.take_over(&start, &carried).unwrap();
    let fisher = |method: &Ewc<Decoder>| weights(method.fisher().unwrap());
    assert_eq!(fisher(&after), fisher(&before));
    let (begun, _) = at(&tasks, 1, |at| after.begin_task(start, at)).unwrap();
    let begun = moved(begun, &mut ChaCha8Rng::seed_from_u64(1));
    let grads = drawn_gradients(&begun, &device);
    let own = flat(&begun, &grads);
    let anchor = weights(&learned.model);
    let parts = weights(&begun).into_iter().zip(anchor).zip(fisher(&before));
    let expected: Vec<f64> = parts
        .zip(own)
        .map(|(((now, anchor), fisher), own)| {
            own + 400.0 * f64::from(fisher) * (f64::from(now) - f64::from(anchor))
        })
        .collect();
    let found = flat(&begun, &after.project(&begun, grads));
    // A difference, two products and a sum.
    assert_close(&found, &expected, 5.0, "carried");
}

#[test]
fn a_damaged_state_and_settings_out_of_range_are_refused() {
    let device = Device::flex().autodiff();
    let folder = tempfile::tempdir().unwrap();
    let saved = Checkpoint::of_parts(folder.path());
    let mut method = Ewc::new(EwcConfig::default()).unwrap();
    for (name, words) in [("fisher-1.bpk", "fisher-1"), ("fisher-x.bpk", "number")] {
        let path = folder.path().join(name);
        std::fs::write(&path, "nothing").unwrap();
        let error = method.restore(&model(&device), &saved).unwrap_err();
        assert!(
            matches!(error, ContinualError::BrokenCheckpoint { .. }),
            "{error}"
        );
        assert!(error.to_string().contains(words), "{error}");
        std::fs::remove_file(path).unwrap();
    }
    for strength in [-1.0, f64::NAN, 1e300] {
        let error = L2Sp::<Decoder>::new(L2SpConfig { strength }).unwrap_err();
        assert!(error.to_string().contains("strength"), "{error}");
    }
    let decay = EwcConfig {
        decay: 1.5,
        ..EwcConfig::default()
    };
    let error = Ewc::<Decoder>::new(decay).unwrap_err().to_string();
    assert!(error.contains("decay = 1.5"), "{error}");
}
