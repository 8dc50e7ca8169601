//! A small SMTP server on a real socket, which speaks TLS where it is told to.

#![allow(unreachable_pub, reason = "shared by the rooms of this test binary")]

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::support::patiently;

/// What a mail server was told in one connection.
#[derive(Debug, Default)]
pub struct Letter {
    /// Each line, and `(TLS)` where all that follows was encrypted.
    pub commands: Vec<String>,
    /// Headers and text, as they came, but for the dots that SMTP doubles.
    pub text: String,
}

/// Answers that are not the usual one: to a command that begins so, this.
type Answers = Arc<Mutex<Vec<(&'static str, &'static str)>>>;

/// When the server speaks TLS.
#[derive(Clone)]
pub enum Tls {
    Never,
    /// When it is asked by STARTTLS, which it offers.
    OnRequest(TlsAcceptor),
    /// Always.
    OnConnect(TlsAcceptor),
}

/// The server.
pub struct PostOffice {
    pub port: u16,
    pub letters: mpsc::UnboundedReceiver<Letter>,
    answers: Answers,
}

impl PostOffice {
    pub async fn open() -> Self {
        Self::open_with(Tls::Never).await
    }

    pub async fn open_with(tls: Tls) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, letters) = mpsc::unbounded_channel();
        let answers = Answers::default();
        let ours = Arc::clone(&answers);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (sender, ours, tls) = (sender.clone(), Arc::clone(&ours), tls.clone());
                tokio::spawn(async move {
                    let mut letter = Letter::default();
                    serve(stream, &tls, &ours, &mut letter).await;
                    let _ = sender.send(letter);
                });
            }
        });
        Self { port, letters, answers }
    }

    pub fn answers(&self, command: &'static str, answer: &'static str) {
        self.answers.lock().unwrap().push((command, answer));
    }

    pub async fn letter(&mut self) -> Letter {
        patiently("a letter", self.letters.recv()).await.unwrap()
    }
}

async fn serve(stream: TcpStream, tls: &Tls, answers: &Answers, letter: &mut Letter) {
    let (acceptor, stream) = match tls {
        Tls::Never => {
            converse(stream, "220 here", false, answers, letter).await;
            return;
        }
        Tls::OnConnect(acceptor) => (acceptor, Some(stream)),
        Tls::OnRequest(acceptor) => {
            (acceptor, converse(stream, "220 here", true, answers, letter).await)
        }
    };
    let Some(stream) = stream else { return };
    let Ok(stream) = acceptor.accept(stream).await else { return };
    letter.commands.push("(TLS)".to_owned());
    let greeting = if matches!(tls, Tls::OnConnect(_)) { "220 here" } else { "" };
    converse(stream, greeting, false, answers, letter).await;
}

/// Talks to its end, or until the other side wants TLS; then the stream comes back.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    greeting: &'static str,
    offers_tls: bool,
    answers: &Answers,
    letter: &mut Letter,
) -> Option<S> {
    let mut stream = BufReader::new(stream);
    let (mut answer, mut is_text) = (greeting, false);
    loop {
        if !answer.is_empty() {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end_matches(['\r', '\n']).to_owned();
        if is_text {
            is_text = line != ".";
            answer = if is_text { "" } else { answer_to(".", false, answers) };
            if is_text {
                letter.text.push_str(line.strip_prefix('.').unwrap_or(&line));
                letter.text.push('\n');
            }
            continue;
        }
        answer = answer_to(&line, offers_tls, answers);
        is_text = answer.starts_with("354");
        letter.commands.push(line);
        if answer.starts_with("220") {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
            return Some(stream.into_inner());
        }
        if answer.starts_with("221") {
            let _ = stream.write_all(b"221 bye\r\n").await;
            return None;
        }
    }
}

fn answer_to(line: &str, offers_tls: bool, answers: &Answers) -> &'static str {
    let answers = answers.lock().unwrap();
    if let Some((_, answer)) = answers.iter().find(|(command, _)| line.starts_with(command)) {
        return answer;
    }
    match line.split(' ').next() {
        Some("EHLO") if offers_tls => "250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN",
        Some("EHLO") => "250-here\r\n250 AUTH PLAIN LOGIN",
        Some("STARTTLS") if offers_tls => "220 go on",
        Some("AUTH") => "235 welcome",
        Some("DATA") => "354 go on",
        Some("QUIT") => "221 bye",
        _ => "250 fine",
    }
}
