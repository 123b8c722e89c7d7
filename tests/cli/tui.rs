//! `--tui` on a pseudo-terminal, as a user sees it.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::{experiments, program, scratch};

const ROWS: u16 = 40;
const COLUMNS: u16 = 120;
/// However busy the machine is.
const LONGEST: Duration = Duration::from_secs(240);

/// What a terminal shows.
struct Shown {
    parser: vt100::Parser,
    /// The last screen on which everything was learned.
    learned: String,
}

/// A run on a terminal of its own.
struct Terminal {
    shown: Arc<Mutex<Shown>>,
    reader: JoinHandle<()>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
}

impl Terminal {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
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
        let mut bytes = pty.master.try_clone_reader().unwrap();
        let keys = pty.master.take_writer().unwrap();
        let shown = Arc::new(Mutex::new(Shown {
            parser: vt100::Parser::new(ROWS, COLUMNS, 1000),
            learned: String::new(),
        }));
        let drawn = shown.clone();
        let reader = std::thread::spawn(move || {
            // The terminal lives as long as somebody reads from it.
            let _master = pty.master;
            let mut piece = [0; 4096];
            while let Ok(read @ 1..) = bytes.read(&mut piece) {
                let mut drawn = drawn.lock().unwrap();
                drawn.parser.process(&piece[..read]);
                let contents = drawn.parser.screen().contents();
                if contents.contains("Tasks learned : 2") {
                    drawn.learned = contents;
                }
            }
        });
        Self {
            shown,
            reader,
            keys,
            child,
        }
    }

    /// Waits for words on the screen.
    fn wait_for(&mut self, words: &str) {
        let begun = Instant::now();
        loop {
            let contents = self.shown.lock().unwrap().parser.screen().contents();
            if contents.contains(words) {
                return;
            }
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "ended before {words:?}:\n{contents}");
            assert!(begun.elapsed() < LONGEST, "no {words:?}:\n{contents}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, key: &str) {
        self.keys.write_all(key.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// The exit code, the last screen on which everything was learned, and the screen at the end.
    fn finish(mut self) -> (u32, String, String) {
        let ended = self.child.wait().unwrap();
        // All that was written is read when the other end is closed.
        self.reader.join().unwrap();
        let shown = self.shown.lock().unwrap();
        let contents = shown.parser.screen().contents();
        (ended.exit_code(), shown.learned.clone(), contents)
    }
}

const RUN: [&str; 16] = [
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
    "--set",
    "calibration.base_rows=8",
];

/// The screen without what differs between two runs: numbers, curves and bars, and how wide they are.
fn frame(screen: &str) -> String {
    let number = regex::Regex::new(r"\d[\d.]*(e-?\d+)?").unwrap();
    let rule = regex::Regex::new("─+").unwrap();
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
        let line = rule.replace_all(&line, "─");
        lines.push(line.split_whitespace().collect::<Vec<_>>().join(" "));
    }
    lines.join("\n") + "\n"
}

#[test]
fn a_run_is_drawn_on_the_terminal() {
    let folder = scratch();
    let terminal = Terminal::start(folder.path(), &RUN);
    let (code, drawn, after) = terminal.finish();
    assert_eq!(code, 0, "{after}");
    assert_eq!(frame(&drawn), include_str!("tui.txt"), "{drawn}");
    // The terminal is as it was before, with the table and the lines that waited.
    let learned = "osft inputs core energy 0.95 outputs within 0.015: learned sums in ";
    let mut lines = after.lines();
    assert!(lines.any(|line| line.starts_with(learned)), "{after}");
    assert!(after.contains("│ sums"), "{after}");
    assert!(after.contains("report: run/report.md"), "{after}");
    assert!(!after.contains("Full History"), "{after}");
}

/// Presses q and then the key of an answer, in a run that is longer than the keys take to arrive.
fn stopped_by(folder: &Path, answer: &str) -> (u32, String) {
    let mut run = RUN.to_vec();
    run[13] = "40";
    let mut terminal = Terminal::start(folder, &run);
    terminal.wait_for("Train ");
    terminal.press("q");
    terminal.wait_for("Kill the program.");
    terminal.press(answer);
    let (code, _, after) = terminal.finish();
    (code, after)
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
        said.starts_with("--tui draws on a terminal, and the output is not one"),
        "{said}"
    );
    assert!(said.contains("learned sums in"), "{said}");
    assert!(!said.contains('\u{1b}') && !output.stdout.contains(&0x1b));
}
