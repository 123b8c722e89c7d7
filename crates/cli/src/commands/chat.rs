//! `osft chat`.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result};
use lm::Conversation;
use serde_json::{Value, json};

use super::generate::Answering;
use crate::args::ChatArgs;

/// Reads what the user says line by line, and answers; the conversation ends with the input.
pub fn run(args: &ChatArgs) -> Result<()> {
    let answering = Answering::open(&args.model, &args.sampling, false)?;
    answering.check_chat()?;
    let mut messages: Vec<Value> = Vec::new();
    if let Some(system) = &args.system {
        messages.push(json!({"role": "system", "content": system}));
    }
    let is_terminal = std::io::stdin().is_terminal();
    if is_terminal {
        eprintln!("an empty line or Ctrl-D ends the conversation");
    }
    let mut lines = std::io::stdin().lock().lines();
    loop {
        if is_terminal {
            eprint!("> ");
            std::io::stderr().flush().context("cannot write")?;
        }
        let Some(line) = lines.next() else {
            return Ok(());
        };
        let line = line.context("cannot read what was typed")?;
        if line.trim().is_empty() {
            return Ok(());
        }
        messages.push(json!({"role": "user", "content": line}));
        let conversation = Conversation::new(&Value::from(messages.clone()), None)?;
        let answer = answering.turn(&conversation)?;
        println!("{}", answer.trim());
        messages.push(json!({"role": "assistant", "content": answer}));
    }
}
