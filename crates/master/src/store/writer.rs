//! The single writer: a thread that takes what is waiting and commits it together.
//!
//! Invariant: a job is answered after the commit it was in, or told that it was lost; never before, never twice. One job
//! that fails takes nothing else with it: each has a savepoint.
//!
//! # Why
//! A commit costs a sync of the disk, whatever is in it. Under load the writer lingers a moment for more, which lowers
//! the latency of all; alone, a job is committed at once.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::oneshot;

use super::StoreError;
use super::engine::Writing;
use super::ledger::Ledger;
use super::sql;
use super::sqlite::cannot_open;
use crate::{clock, faults};

/// How long to wait for more once there is more than one.
const LINGER: Duration = Duration::from_millis(2);
/// In one transaction, so that the first ones need not wait for ever.
const MOST_TOGETHER: usize = 256;
/// Waiting to be written; beyond that callers are told to come back.
const MOST_WAITING: usize = 4096;

/// Where a test may stop the process around a job's commit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Points {
    before: &'static str,
    after: &'static str,
}

macro_rules! points {
    ($($name:ident = $text:literal;)*) => {$(
        pub(super) const $name: Points =
            Points { before: concat!($text, ".before-commit"), after: concat!($text, ".after-commit") };
    )*};
}

points! {
    FOUND = "found";
    PROBE = "probe";
    KEY_CREATE = "key-create";
    KEY_MOVE = "key-move";
    KEY_USE = "key-use";
    KEY_RETIRE = "key-retire";
    KEYS_DELETE = "keys-delete";
    ENROL = "enrol";
    RENEW = "renew";
    CONFIRM = "confirm";
    REPORT = "report";
    DEREGISTER = "deregister";
    REVOKE = "revoke";
    REFUSE = "refuse";
    SETTLE = "settle";
    PEOPLE = "people";
    TOKEN = "token";
    TOKEN_USE = "token-use";
    SESSION = "session";
    NOTICES = "notices";
    NOTICE_CLAIM = "notice-claim";
    NOTICE_SETTLE = "notice-settle";
    ENDS = "notice-ends";
    PRUNE = "audit-prune";
    RESTORE = "restore";
}

/// Something to be written.
pub(super) trait Work: Send {
    fn points(&self) -> Points;
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StoreError>;
    fn answer(self: Box<Self>, lost: Option<&StoreError>);
}

/// Work with its result and somebody who waits for it.
pub(super) struct Job<F, T> {
    points: Points,
    work: Option<F>,
    result: Result<T, StoreError>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job<F, T>
where
    F: FnOnce(&mut Ledger<'_>) -> sql::Result<T> + Send,
    T: Send,
{
    pub(super) fn new(points: Points, work: F) -> (Box<Self>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Self { points, work: Some(work), result: Err(StoreError::Closed), reply }), answer)
    }
}

impl<F, T> Work for Job<F, T>
where
    F: FnOnce(&mut Ledger<'_>) -> sql::Result<T> + Send,
    T: Send,
{
    fn points(&self) -> Points {
        self.points
    }

    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StoreError> {
        if let Some(work) = self.work.take() {
            self.result = ledger.in_savepoint(work).map_err(StoreError::from);
        }
        self.result.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    fn answer(self: Box<Self>, lost: Option<&StoreError>) {
        let result = lost.map_or(self.result, |error| Err(error.clone()));
        // Who asked may have gone away; what was written stays written.
        let _ = self.reply.send(result);
    }
}

enum Message {
    Work(Box<dyn Work>),
    Close,
}

/// The way to the writer.
#[derive(Clone)]
pub(super) struct Writer {
    queue: SyncSender<Message>,
    thread: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Writer {
    pub(super) fn start(engine: Writing) -> Result<Self, StoreError> {
        let (queue, waiting) = sync_channel(MOST_WAITING);
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || run(engine, &waiting))
            .map_err(|error| cannot_open(&error.to_string()))?;
        Ok(Self { queue, thread: Arc::new(Mutex::new(Some(thread))) })
    }

    pub(super) fn submit(&self, work: Box<dyn Work>) -> Result<(), StoreError> {
        self.queue.try_send(Message::Work(work)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    pub(super) async fn close(&self) {
        let (queue, thread) = (self.queue.clone(), Arc::clone(&self.thread));
        let closing = tokio::task::spawn_blocking(move || {
            let thread = thread.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(thread) = thread
                && queue.send(Message::Close).is_ok()
            {
                // A writer that panicked has nothing left to finish.
                let _ = thread.join();
            }
        });
        // Only fails when the runtime is going down, and the writer with it.
        let _ = closing.await;
    }
}

fn run(mut engine: Writing, waiting: &Receiver<Message>) {
    while let Some(batch) = next_batch(waiting) {
        let closing = batch.closing;
        write(&mut engine, batch.work);
        if closing {
            return;
        }
    }
}

#[derive(Default)]
struct Batch {
    work: Vec<Box<dyn Work>>,
    closing: bool,
}

/// What waits, at least one; `None` when nobody can send any more.
fn next_batch(waiting: &Receiver<Message>) -> Option<Batch> {
    let mut batch = Batch::default();
    batch.take(waiting.recv().ok()?);
    batch.drain(waiting);
    if batch.work.len() > 1 && !batch.closing {
        // Asleep, not on the channel: being woken for each of them would cost more than they do.
        clock::pause(LINGER);
        batch.drain(waiting);
    }
    Some(batch)
}

impl Batch {
    fn take(&mut self, message: Message) {
        match message {
            Message::Work(work) => self.work.push(work),
            Message::Close => self.closing = true,
        }
    }

    fn drain(&mut self, waiting: &Receiver<Message>) {
        // When closing, everything that was accepted before is already in the channel and still taken.
        while (self.work.len() < MOST_TOGETHER || self.closing)
            && let Ok(message) = waiting.try_recv()
        {
            self.take(message);
        }
    }
}

/// One transaction, then every answer.
fn write(engine: &mut Writing, mut batch: Vec<Box<dyn Work>>) {
    let points: Vec<_> = batch.iter().map(|work| work.points()).collect();
    let lost = commit(engine, &mut batch).err();
    if lost.is_none() {
        for points in points {
            faults::point(points.after);
        }
    }
    for work in batch {
        work.answer(lost.as_ref());
    }
}

fn commit(engine: &mut Writing, batch: &mut [Box<dyn Work>]) -> Result<(), StoreError> {
    if batch.is_empty() {
        return Ok(());
    }
    engine.transact(|conn| {
        let mut ledger = Ledger::open(conn)?;
        for work in batch.iter_mut() {
            let failed = work.run(&mut ledger).err();
            // A full disk rolls everything back at once, also what ran before.
            if let Some(error) = failed.filter(|_| conn.is_lost()) {
                return Err(error);
            }
        }
        for work in batch.iter() {
            faults::point(work.points().before);
        }
        Ok(())
    })
}
