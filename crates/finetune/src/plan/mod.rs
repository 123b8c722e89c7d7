//! `osft plan`: what a run will need, before it starts.

mod advice;
mod memory;
mod time;
mod work;

use anyhow::Result;
use comfy_table::{Table, presets};
use lm::{HfFolder, Model, Pretrained};
use runs::Backend;
use runs::settings::RunConfig;

use crate::carried::State;
use crate::run::check;
use crate::settings;
use advice::Advice;
pub use memory::{Memory, Part, Phase};
pub use time::Time;
use work::Work;

/// What a run will need.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Memory of every phase, and disk.
    pub memory: Memory,
    /// Memory that is free, in bytes; `None` if the system does not say.
    pub available: Option<u64>,
    /// Time by part; `None` if nothing was probed.
    pub time: Option<Time>,
    /// What would need less, with its peak in bytes.
    pub advice: Vec<Advice>,
    /// What the rows lose, in sentences.
    pub remarks: Vec<String>,
}

impl Plan {
    /// Counts what the run of a configuration needs. With `probe`, also loads the model and times a few of
    /// its passes, if the run fits into the free memory.
    ///
    /// # Errors
    ///
    /// If the model's shape or a row cannot be read, or its family does not count its passes.
    pub fn of(config: &RunConfig, probe: bool) -> Result<Self> {
        check(config)?;
        let method = settings::method(config)?;
        let folder = HfFolder::open(runs::model_folder(settings::model(config)?)?)?;
        let work = Work::of(&folder, config)?;
        let device = config.backend.device()?;
        // Parameters get their values at their first use: this one has shapes alone.
        let shape =
            Model::from_config(folder.config(), &folder.path().join("config.json"), &device)?;
        let state = State::read(folder.path())?;
        if let Some(state) = &state {
            state.carried(folder.path(), method)?;
        }
        let carried = state.is_some();
        let passes = work::passes(&folder)?;
        let memory_of = |config: &RunConfig, work: &Work| -> Result<Memory> {
            let kind = config.kind(settings::method(config)?)?;
            let needs = kind.memory(config.method(settings::method(config)?), &shape)?;
            Ok(Memory::of(config, &shape, &passes, &needs, work, carried))
        };
        let memory = memory_of(config, &work)?;
        let advice = advice::smaller(config, method, carried, &|changed| {
            memory_of(changed, &work.with(changed))
        })?;
        let mut plan = Self {
            memory,
            available: available(config.backend),
            time: None,
            advice,
            remarks: work.remarks.clone(),
        };
        if probe && plan.fits() {
            plan.time = Some(Time::probed(&folder, config, &work, carried)?);
        }
        Ok(plan)
    }

    /// Whether the run fits into the free memory.
    pub fn fits(&self) -> bool {
        let peak = self.memory.peak() as u64;
        self.available.is_none_or(|available| peak <= available)
    }
}

/// Prints the plan of a configuration.
///
/// # Errors
///
/// The errors of [`Plan::of`].
pub fn run(config: &RunConfig, probe: bool) -> Result<()> {
    let plan = Plan::of(config, probe)?;
    for line in &plan.remarks {
        println!("data: {line}");
    }
    println!("memory by phase\n{}", phases(&plan.memory));
    let training = plan.memory.phase("training");
    if let Some(training) = training {
        println!(
            "\nmemory while training, by part\n{}",
            parts(&training.parts)
        );
    }
    println!("\ndisk\n{}", parts(&plan.memory.disk));
    let peak = size(plan.memory.peak());
    match plan.available {
        None => println!("\npeak: {peak}; what is free on this device is not known"),
        Some(available) => {
            let free = size(available as usize);
            match plan.fits() {
                true => println!("\npeak: {peak} of {free} that are free: it fits"),
                false => println!("\npeak: {peak}, and {free} are free: IT DOES NOT FIT"),
            }
        }
    }
    if !plan.advice.is_empty() {
        println!("what needs less:");
        for Advice { change, peak } in &plan.advice {
            let fits = plan.available.is_none_or(|free| *peak as u64 <= free);
            let remark = if fits { "" } else { "  (does not fit)" };
            println!("    {change:46} {:>9}{remark}", size(*peak));
        }
    }
    match &plan.time {
        Some(time) => println!("\ntime, after a short probe\n{}", times(time)),
        None if probe => println!("\ntime: not probed, since the run does not fit"),
        None => println!("\ntime: not probed (--no-probe)"),
    }
    let suites = &config.suites.names;
    if !suites.is_empty() {
        println!(
            "not counted: {}, which the model answers before and after the training",
            suites.join(", ")
        );
    }
    Ok(())
}

fn table(rows: impl Iterator<Item = [String; 2]>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    for row in rows {
        table.add_row(row);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table.to_string()
}

fn phases(memory: &Memory) -> String {
    table((memory.phases.iter()).map(|phase| [format!("  {}", phase.name), size(phase.bytes())]))
}

fn parts(parts: &[Part]) -> String {
    table((parts.iter()).map(|part| [format!("  {}", part.name), size(part.bytes)]))
}

fn times(time: &Time) -> String {
    let rows = time.parts.iter().map(|(name, seconds)| (*name, *seconds));
    let rows = rows.chain([("in all", time.total())]);
    table(rows.map(|(name, seconds)| [format!("  {name}"), duration(seconds)]))
}

/// Bytes in words.
pub(crate) fn size(bytes: usize) -> String {
    match bytes {
        small if small < 10_000_000 => format!("{:.1} MB", small as f64 / 1e6),
        medium if medium < 10_000_000_000 => format!("{:.0} MB", medium as f64 / 1e6),
        large => format!("{:.1} GB", large as f64 / 1e9),
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}

/// Free memory in bytes, as Linux estimates it and a container allows it; `None` for a device with memory of its own.
fn available(backend: Backend) -> Option<u64> {
    match backend.is_processor() {
        true => runs::memory::available(),
        false => None,
    }
}
