//! What would need less memory.

use anyhow::Result;
use osft::ShareRule;
use runs::settings::RunConfig;
use toml::Value;

use super::memory::Memory;

/// A change of the settings, and the peak with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The change, as it is typed.
    pub change: String,
    /// The peak with it, in bytes.
    pub peak: usize,
}

/// Changes that lower the peak by a tenth or more, the one that changes least first; `carried`: the run goes on from
/// earlier tasks.
///
/// # Errors
///
/// If the memory of a changed configuration cannot be counted.
pub fn smaller(
    config: &RunConfig,
    method: &str,
    carried: bool,
    memory_of: &dyn Fn(&RunConfig) -> Result<Memory>,
) -> Result<Vec<Advice>> {
    let now = memory_of(config)?.peak();
    let mut candidates: Vec<(String, RunConfig)> = Vec::new();
    let mut add = |change: String, edit: &dyn Fn(&mut RunConfig)| {
        let mut changed = config.clone();
        edit(&mut changed);
        candidates.push((change, changed));
    };
    if config.calibration.held_out {
        add("--set calibration.held_out=false".to_string(), &|config| {
            config.calibration.held_out = false;
        });
    }
    if !config.train.activation_checkpointing {
        add(
            "--set train.activation_checkpointing=true".to_string(),
            &|config| {
                config.train.activation_checkpointing = true;
            },
        );
    }
    for tokens in [1024, 512, 256] {
        // 0 is no limit.
        if config.train.max_tokens == 0 || config.train.max_tokens > tokens {
            add(format!("--max-tokens {tokens}"), &|config| {
                config.train.max_tokens = tokens;
            });
        }
    }
    if method == "osft" {
        let set = |config: &mut RunConfig, key: &str, value: Value| {
            if let Some(settings) = config.methods.get_mut("osft") {
                settings.insert(key.to_string(), value);
            }
        };
        for ratio in [0.25, 0.1] {
            if let Ok(rule) = Value::try_from(ShareRule::fixed(1.0 - ratio)) {
                add(format!("--unfreeze-ratio {ratio}"), &|config| {
                    set(config, "protected_share", rule.clone());
                });
            }
        }
    }
    // Another method cannot go on from tasks that this one has learned.
    if method != "lora" && !carried {
        add(
            "--method lora (protects no directions)".to_string(),
            &|config| {
                config.compare = vec!["lora".to_string()];
            },
        );
    }
    let mut found = Vec::new();
    for (change, config) in candidates {
        let peak = memory_of(&config)?.peak();
        if peak * 10 <= now * 9 {
            found.push(Advice { change, peak });
        }
    }
    Ok(found)
}
