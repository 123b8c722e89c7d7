//! Losses and scores as TensorBoard events, one folder per run.
//!
//! The available crates that write event files are unmaintained and panic on a full disk. So this
//! module declares the three messages of a scalar and encodes them with `prost`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use continual::Event;
use prost::Message;

/// The fields of `tensorflow.Event` that a scalar needs.
#[derive(Clone, PartialEq, Message)]
struct EventRecord {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

/// `tensorflow.Summary`
#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    value: Vec<SummaryValue>,
}

/// `tensorflow.Summary.Value`
#[derive(Clone, PartialEq, Message)]
struct SummaryValue {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    simple_value: Option<f32>,
}

/// The event file of one process. Steps count over all tasks, so a run is one curve. If a run was
/// resumed, repeated steps occur in both files, with the same values.
pub struct EventFile {
    file: File,
    path: PathBuf,
    /// Steps of the tasks before the current one.
    before: usize,
    /// Steps of the current task.
    within: usize,
}

impl EventFile {
    /// Creates the event file of the job `stem` in a run's folder.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn create(folder: &Path, stem: &str) -> Result<Self> {
        let folder = folder.join("tensorboard").join(stem);
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let now = now();
        let path = folder.join(format!(
            "events.out.tfevents.{:.0}.{}",
            now,
            std::process::id()
        ));
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut events = Self {
            file,
            path,
            before: 0,
            within: 0,
        };
        events.write(&EventRecord {
            wall_time: now,
            step: 0,
            file_version: Some("brain.Event:2".to_string()),
            summary: None,
        })?;
        Ok(events)
    }

    /// Writes the numbers of an event; `tasks` are the names of the scored tasks.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn event(&mut self, event: &Event<'_>, tasks: &[String]) -> Result<()> {
        let mut scalars: Vec<(String, f64)> = Vec::new();
        match event {
            Event::TaskStarted { .. } => {
                self.before += self.within;
                self.within = 0;
            }
            Event::Resumed {
                steps_done, before, ..
            } => {
                self.before = *before;
                self.within = *steps_done;
            }
            Event::Stepped { step, .. } => {
                self.within = step.step;
                scalars.push(("train/loss".to_string(), step.loss));
                scalars.push(("train/gradient_norm".to_string(), step.gradient_norm));
                scalars.push(("train/learning_rate".to_string(), step.learning_rate));
            }
            Event::Validated { loss, .. } => {
                scalars.push(("validation/loss".to_string(), *loss));
            }
            Event::Scored { task, score, .. } => {
                let name = task.and_then(|task| tasks.get(task));
                let name = name.map_or("general", String::as_str);
                scalars.push((format!("score/{name}"), *score));
            }
            Event::Prepared { .. }
            | Event::TaskLearned { .. }
            | Event::Answered { .. }
            | Event::Probed { .. } => {}
        }
        if scalars.is_empty() {
            return Ok(());
        }
        let value = scalars.into_iter().map(|(tag, value)| SummaryValue {
            tag,
            simple_value: Some(value as f32),
        });
        self.write(&EventRecord {
            wall_time: now(),
            step: (self.before + self.within) as i64,
            file_version: None,
            summary: Some(Summary {
                value: value.collect(),
            }),
        })
    }

    /// Appends one record: length, its checksum, data, its checksum.
    fn write(&mut self, event: &EventRecord) -> Result<()> {
        let data = event.encode_to_vec();
        let length = (data.len() as u64).to_le_bytes();
        let mut record = Vec::with_capacity(data.len() + 16);
        record.extend(length);
        record.extend(masked(&length).to_le_bytes());
        record.extend(&data);
        record.extend(masked(&data).to_le_bytes());
        self.file
            .write_all(&record)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// The checksum of the record format: a rotated CRC-32C, so that data that contains checksums is
/// protected too.
fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// Seconds since 1970.
fn now() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use continual::trainer::Step;

    use super::*;

    fn read(bytes: &[u8]) -> Vec<EventRecord> {
        let (mut rest, mut found) = (bytes, Vec::new());
        while !rest.is_empty() {
            let (length, after) = rest.split_at(8);
            let count = u64::from_le_bytes(length.try_into().unwrap()) as usize;
            let (check, after) = after.split_at(4);
            assert_eq!(check, masked(length).to_le_bytes());
            let (data, after) = after.split_at(count);
            let (check, after) = after.split_at(4);
            assert_eq!(check, masked(data).to_le_bytes());
            found.push(EventRecord::decode(data).unwrap());
            rest = after;
        }
        found
    }

    #[test]
    fn steps_count_over_all_tasks_and_records_are_complete() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = EventFile::create(folder.path(), "seqft-seed0").unwrap();
        let tasks = ["first".to_string(), "second".to_string()];
        for task in 0..2 {
            let name = tasks[task].as_str();
            let mut send = |event: Event<'_>| events.event(&event, &tasks).unwrap();
            send(Event::TaskStarted { task, name });
            for step in 1..=3 {
                send(Event::Stepped {
                    task,
                    name,
                    step: Step {
                        step,
                        steps: 3,
                        loss: step as f64,
                        gradient_norm: 1.0,
                        learning_rate: 0.5,
                        rows: 2,
                        tokens: 9,
                    },
                });
            }
            send(Event::Scored {
                learned: task + 1,
                task: Some(task),
                score: 75.0,
                beside: None,
                answers: &[],
            });
        }
        let found = read(&std::fs::read(&events.path).unwrap());
        assert_eq!(found[0].file_version.as_deref(), Some("brain.Event:2"));
        let steps: Vec<i64> = found[1..].iter().map(|event| event.step).collect();
        assert_eq!(steps, [1, 2, 3, 3, 4, 5, 6, 6]);
        let last = &found[8].summary.as_ref().unwrap().value[0];
        assert_eq!(
            (last.tag.as_str(), last.simple_value),
            ("score/second", Some(75.0))
        );
    }
}
