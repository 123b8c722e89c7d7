//! Unpacks a GGUF file to a Hugging Face folder: `cargo run --release -p gguf --example unpack FILE FOLDER`.

use std::error::Error;

use gguf::Gguf;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [file, folder] = arguments.as_slice() else {
        return Err("expected a GGUF file and the folder to make".into());
    };
    let file = Gguf::open(file)?;
    println!("fingerprint {}", file.fingerprint()?);
    file.unpack(folder)?;
    Ok(())
}
