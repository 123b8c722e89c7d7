//! What is said about a run whose model, or whose data, is not there.

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, bail};
use benchmarks::{Benchmark, Format};
use burn::module::Module;
use burn::tensor::{Device, Distribution, Tensor};
use continual::Protocol;
use lm::{Model, Pretrained};

use runs::job::{TaskSize, Work};
use runs::settings::RunConfig;

use super::trainable;

/// Explains what is missing, where it is to be had, and what the run would need; ends with an error.
///
/// # Errors
///
/// Always: the run cannot start.
pub fn explain(config: &RunConfig, model: &Path) -> Result<()> {
    let folder = model.display();
    println!("model: {folder} is not there, or has no config.json");
    println!(
        "  A model is a Hugging Face folder: config.json, tokenizer.json, and model.safetensors or \
         its shards."
    );
    let size = model
        .file_name()
        .and_then(|name| lm::size_named(&name.to_string_lossy()));
    match &size {
        Some(lm::Size { repository, .. }) => println!(
            "  This one is to be had with the hub's own tool:\n    hf download {repository} \
             --include '*.json' '*.safetensors' --local-dir {folder}"
        ),
        None => println!(
            "  From the hub, with its own tool:\n    hf download OWNER/NAME --include '*.json' \
             '*.safetensors' --local-dir {folder}"
        ),
    }
    if config.data.is_none() {
        println!("\ndata: no --data; the built-in suite would be learned, which is a miniature");
        let benchmark = config.registries.benchmarks.find(&config.benchmark);
        if let Some(text) = benchmark.and_then(|benchmark| benchmark.download()) {
            println!("  {text}");
        }
    }
    if let Some(lm::Size { config: shape, .. }) = size {
        let device = config.backend.device()?;
        let network = Model::from_config(shape, model, &device)?;
        estimate(config, &network, &device)?;
    }
    bail!("{folder} is missing");
}

fn estimate(config: &RunConfig, model: &Model, device: &Device) -> Result<()> {
    let parameters = model.num_params();
    println!("\nmemory, of {parameters} parameters in f32, without activations and split:");
    for method in &config.compare {
        let needs = config.kind(method)?.memory(config.method(method), model)?;
        println!(
            "  {method:10} {:6.1} GB, {}, learning rate {:e}",
            needs.bytes() as f64 / 1e9,
            trainable(&needs),
            config.learning_rate(method)
        );
    }
    let benchmark = config.registries.benchmarks.find(&config.benchmark);
    let Some(benchmark) = benchmark.filter(|benchmark| is_released(benchmark.as_ref())) else {
        return Ok(());
    };
    let speed = multiplications_per_second(device);
    println!(
        "\ntime of one method on the released files, rows of at most {} tokens (the bound) at the {:.0} \
         GFLOP/s that {} reaches here:",
        config.max_length,
        speed / 1e9,
        config.backend.name()
    );
    let suite = benchmark.suite();
    for order in config.orders() {
        let settings = config.with_order(&order)?;
        let Ok(tasks) = suite.order(&order) else {
            continue;
        };
        let sizes: Vec<TaskSize> = tasks
            .iter()
            .filter_map(|task| {
                let (train, test) = benchmark.released_rows(&task.name)?;
                let limited = |rows: usize, limit: usize| match limit {
                    0 => rows,
                    limit => rows.min(limit),
                };
                let of_classes = settings.limit_per_class * task.labels.len();
                Some(TaskSize {
                    train: limited(limited(train, settings.limit_train), of_classes),
                    epochs: settings.epochs_of(&task.name, task.epochs),
                    questions: limited(test, settings.limit_test),
                    labelled: !task.labels.is_empty()
                        || matches!(task.format, Format::Labelled { .. }),
                })
            })
            .collect();
        let work = Work::of(&settings, &sizes, 0, Protocol::Sequential);
        let (trained, answered, steps) = (work.trained(), work.answers(), work.steps());
        let tokens = |rows: usize| (rows * config.max_length) as f64;
        // Two operations per parameter and token forward, four backward.
        let operations = parameters as f64 * (6.0 * tokens(trained) + 2.0 * tokens(answered));
        println!(
            "  order {order}: {} tasks, {trained} rows in {steps} steps, {answered} answers: {:.1e} \
             operations, {} here, {} at 100 TFLOP/s",
            tasks.len(),
            operations,
            duration(operations / speed),
            duration(operations / 1e14)
        );
    }
    Ok(())
}

/// Whether the sizes of a benchmark's released files are known.
fn is_released(benchmark: &dyn Benchmark) -> bool {
    let tasks = benchmark.suite().tasks;
    tasks
        .iter()
        .any(|task| benchmark.released_rows(&task.name).is_some())
}

/// Floating-point operations per second of products of matrices of a model's size.
fn multiplications_per_second(device: &Device) -> f64 {
    const SIZE: usize = 768;
    const TIMES: usize = 4;
    let matrix = || Tensor::<2>::random([SIZE, SIZE], Distribution::Default, device);
    let (a, b) = (matrix(), matrix());
    let product = || a.clone().matmul(b.clone()).sum().into_scalar::<f32>();
    // The first one pays for what is set up once.
    product();
    let start = Instant::now();
    for _ in 0..TIMES {
        product();
    }
    let operations = (TIMES * 2 * SIZE.pow(3)) as f64;
    operations / start.elapsed().as_secs_f64().max(1e-6)
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s if s < 172_800.0 => format!("{:.0} h", s / 3600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}
