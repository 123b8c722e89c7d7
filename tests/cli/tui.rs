//! `--tui` on a pseudo-terminal, as a user sees it.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::{experiments, program, scratch};

const ROWS: u16 = 40;
const COLUMNS: u16 = 120;
/// However busy the machine is.
const LONGEST: Duration = Duration::from_secs(240);

/// A run on a terminal of its own.
struct Terminal {
    screen: Arc<Mutex<vt100::Parser>>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    fn start(folder: &std::path::Path, arguments: &[&str]) -> Self {
        let size = PtySize {
            rows: ROWS,
            cols: COLUMNS,
            ..PtySize::default()
        };
        let pty = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program());
        command.args(arguments);
        command.cwd(folder);
        command.env("TERM", "xterm-256color");
        let child = pty.slave.spawn_command(command).unwrap();
        let mut shown = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(ROWS, COLUMNS, 1000)));
        let drawn = screen.clone();
        std::thread::spawn(move || {
            // The terminal lives as long as somebody reads from it.
            let _master = pty.master;
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = shown.read(&mut bytes) {
                drawn.lock().unwrap().process(&bytes[..read]);
            }
        });
        Self {
            screen,
            keys,
            child,
        }
    }

    fn contents(&self) -> String {
        self.screen.lock().unwrap().screen().contents()
    }

    /// The first screen that satisfies a condition.
    fn wait_for(&mut self, what: &str, condition: impl Fn(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let contents = self.contents();
            if condition(&contents) {
                return contents;
            }
            let late = begun.elapsed() > LONGEST;
            let ended = self.child.try_wait().unwrap();
            if late || ended.is_some() {
                // What it wrote last may not have been read yet.
                std::thread::sleep(Duration::from_millis(300));
                let contents = self.contents();
                assert!(condition(&contents), "{what}: {ended:?}\n{contents}");
                return contents;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }
}

const RUN: [&str; 14] = [
    "trace",
    "--tui",
    "--out",
    "run",
    "--method",
    "osft",
    "--order",
    "stance,sums",
    "--limit-train",
    "64",
    "--limit-test",
    "40",
    "--epochs",
    "1",
];

/// The screen without what differs between two runs: numbers, curves and bars, and how wide they are.
fn frame(screen: &str) -> String {
    let number = regex::Regex::new(r"\d[\d.]*(e-?\d+)?").unwrap();
    let left = regex::Regex::new(r"\((---|\d+ \w+)\)").unwrap();
    let drawn = |c: char| ('\u{2800}'..='\u{28ff}').contains(&c) || ('▀'..='▟').contains(&c);
    let mut lines = Vec::new();
    for line in screen.lines() {
        let line: String = line
            .chars()
            .map(|c| if drawn(c) { ' ' } else { c })
            .collect();
        let line = left.replace(&line, "(time left)");
        let line = number.replace_all(&line, "#");
        lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_run_is_drawn_on_the_terminal() {
    let folder = scratch();
    let mut terminal = Terminal::start(folder.path(), &RUN);
    let drawn = terminal.wait_for("two tasks learned", |screen| {
        screen.contains("Tasks learned : 2")
    });
    let expected = include_str!("tui.txt");
    assert_eq!(frame(&drawn), expected, "{drawn}");
    let ended = terminal.child.wait().unwrap();
    // The terminal is as it was before, with the table and the lines that waited.
    let after = terminal.wait_for("the table", |screen| {
        screen.contains("report: run/report.md")
    });
    assert!(ended.success());
    let learned = "osft inputs core energy 0.9: learned sums in ";
    assert!(
        after.lines().any(|line| line.starts_with(learned)),
        "{after}"
    );
    assert!(after.contains("│ sums"), "{after}");
    assert!(!after.contains("Full History"), "{after}");
}

/// Presses q and then the key of an answer, in a run that is longer than the keys take to arrive.
fn stopped_by(folder: &std::path::Path, answer: &str) -> (u32, String) {
    let mut run = RUN.to_vec();
    run[13] = "40";
    let mut terminal = Terminal::start(folder, &run);
    terminal.wait_for("training", |screen| screen.contains("Train "));
    terminal.press("q");
    terminal.wait_for("the question", |screen| {
        screen.contains("Kill the program.")
    });
    terminal.press(answer);
    let ended = terminal.child.wait().unwrap();
    let after = terminal.wait_for("the terminal", |screen| {
        !screen.contains("Kill the program.")
    });
    (ended.exit_code(), after)
}

#[test]
fn q_stops_a_drawn_run_once_it_is_saved() {
    let folder = scratch();
    let (code, after) = stopped_by(folder.path(), "s");
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("--resume run"), "{after}");
    assert!(folder.path().join("run/checkpoints").is_dir());
}

#[test]
fn a_drawn_run_can_be_killed() {
    let folder = scratch();
    let (code, after) = stopped_by(folder.path(), "k");
    assert_eq!(code, 130, "{after}");
    assert!(after.contains("Training killed by user."), "{after}");
    assert!(!after.contains("panicked"), "{after}");
}

#[test]
fn without_a_terminal_lines_are_printed() {
    let folder = scratch();
    let output = experiments(folder.path()).args(RUN).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.starts_with("--tui draws on a terminal; the output is none"),
        "{said}"
    );
    assert!(said.contains("learned sums in"), "{said}");
    assert!(!said.contains('\u{1b}') && !output.stdout.contains(&0x1b));
}
