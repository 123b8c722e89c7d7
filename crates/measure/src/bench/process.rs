//! A process that takes its turns beside others: a line asks it for one round, a line of JSON answers.

use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Peer;

/// A process that was started and said that it is ready.
pub(super) struct Process {
    label: String,
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts this program's own worker, or a peer, on `threads` threads if a number is given. Returns it with its
    /// first answer.
    ///
    /// # Errors
    ///
    /// If it cannot be started or does not answer.
    pub(super) fn start<T: DeserializeOwned>(
        label: String,
        peer: Option<&Peer>,
        threads: Option<usize>,
        spec: &impl Serialize,
    ) -> Result<(Self, T)> {
        let own = std::env::current_exe().context("cannot find this program")?;
        let mut command = match peer.map(|peer| peer.command.split_first()) {
            Some(Some((program, arguments))) => {
                let mut command = Command::new(program);
                command.args(arguments);
                command
            }
            _ => {
                let mut command = Command::new(own);
                command.arg("bench");
                command
            }
        };
        if let Some(threads) = threads {
            for variable in ["RAYON_NUM_THREADS", "OMP_NUM_THREADS"] {
                command.env(variable, threads.to_string());
            }
        }
        let mut child = command
            .args(["--worker", &serde_json::to_string(spec)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start a process for {label}"))?;
        let (Some(orders), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            bail!("a process for {label} has no input or output");
        };
        let answers = BufReader::new(answers).lines();
        let mut process = Self {
            label,
            child,
            orders,
            answers,
        };
        let ready = process.answer()?;
        Ok((process, ready))
    }

    /// Asks for one round.
    ///
    /// # Errors
    ///
    /// If the process is gone, or answers something else.
    pub(super) fn round<T: DeserializeOwned>(&mut self) -> Result<T> {
        writeln!(self.orders).with_context(|| format!("{} is gone", self.label))?;
        self.orders.flush()?;
        self.answer()
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// If it ends with an error.
    pub(super) fn finish(mut self) -> Result<()> {
        drop(self.orders);
        let status = self.child.wait()?;
        ensure!(status.success(), "{} ended with {status}", self.label);
        Ok(())
    }

    fn answer<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self
            .answers
            .next()
            .ok_or_else(|| anyhow!("{} broke off; its error is above", self.label))??;
        serde_json::from_str(&line).with_context(|| format!("what {} answered", self.label))
    }
}
