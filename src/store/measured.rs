//! A store that counts and times what is asked of it.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use super::{
    Charged, Created, Deadlines, Key, LeaseOwner, Leased, Listener, Place, Record, Replaced, Store,
    StoreError,
};
use crate::model::{Digest, Generation, Rate};
use crate::telemetry::{Metrics, StoreOperation, StoreOutcome};

/// Passes everything on to the store inside.
#[derive(Debug)]
pub struct MeasuredStore {
    inner: Arc<dyn Store>,
    metrics: Metrics,
}

impl MeasuredStore {
    /// Measures `inner`.
    pub fn new(inner: Arc<dyn Store>, metrics: Metrics) -> Self {
        Self { inner, metrics }
    }

    async fn measure<T>(
        &self,
        operation: StoreOperation,
        work: impl Future<Output = Result<T, StoreError>>,
        judge: impl FnOnce(&T) -> StoreOutcome,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        let result = work.await;
        let outcome = match &result {
            Ok(value) => judge(value),
            Err(StoreError::Timeout) => StoreOutcome::Timeout,
            Err(StoreError::Unavailable(_)) => StoreOutcome::Unavailable,
            Err(StoreError::Record(_)) => StoreOutcome::Unreadable,
        };
        self.metrics.store_operation(operation, outcome, begun.elapsed());
        result
    }
}

fn found<T>(value: &Option<T>) -> StoreOutcome {
    if value.is_some() { StoreOutcome::Done } else { StoreOutcome::Absent }
}

#[async_trait]
impl Store for MeasuredStore {
    async fn load(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.measure(StoreOperation::Load, self.inner.load(key), found).await
    }

    async fn create(&self, key: &Key, record: &Record) -> Result<Created, StoreError> {
        let judge = |created: &Created| match created {
            Created::Done => StoreOutcome::Done,
            Created::Exists => StoreOutcome::Conflict,
        };
        self.measure(StoreOperation::Create, self.inner.create(key, record), judge).await
    }

    async fn replace(
        &self,
        key: &Key,
        expected: Generation,
        record: &Record,
    ) -> Result<Replaced, StoreError> {
        let judge = |replaced: &Replaced| match replaced {
            Replaced::Done => StoreOutcome::Done,
            Replaced::Gone => StoreOutcome::Absent,
            Replaced::Moved(_) => StoreOutcome::Conflict,
        };
        self.measure(StoreOperation::Replace, self.inner.replace(key, expected, record), judge).await
    }

    async fn touch(&self, key: &Key, deadlines: Deadlines) -> Result<bool, StoreError> {
        let judge = |there: &bool| if *there { StoreOutcome::Done } else { StoreOutcome::Absent };
        self.measure(StoreOperation::Touch, self.inner.touch(key, deadlines), judge).await
    }

    async fn take(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.measure(StoreOperation::Take, self.inner.take(key), found).await
    }

    async fn remove(&self, key: &Key, expected: Generation) -> Result<Replaced, StoreError> {
        let judge = |removed: &Replaced| match removed {
            Replaced::Done => StoreOutcome::Done,
            Replaced::Gone => StoreOutcome::Absent,
            Replaced::Moved(_) => StoreOutcome::Conflict,
        };
        self.measure(StoreOperation::Remove, self.inner.remove(key, expected), judge).await
    }

    async fn lease(&self, key: &Key, owner: &LeaseOwner, ttl: Duration) -> Result<Leased, StoreError> {
        let judge = |leased: &Leased| match leased {
            Leased::Granted => StoreOutcome::Done,
            Leased::Held | Leased::CoolingDown { .. } => StoreOutcome::Conflict,
        };
        self.measure(StoreOperation::Lease, self.inner.lease(key, owner, ttl), judge).await
    }

    async fn release(
        &self,
        key: &Key,
        owner: &LeaseOwner,
        cool_down: Option<Duration>,
    ) -> Result<(), StoreError> {
        self.measure(StoreOperation::Release, self.inner.release(key, owner, cool_down), |()| {
            StoreOutcome::Done
        })
        .await
    }

    async fn charge(&self, bucket: &Digest, rate: Rate) -> Result<Option<Charged>, StoreError> {
        let judge = |charged: &Option<Charged>| match charged {
            Some(Charged::Refused(_)) => StoreOutcome::Conflict,
            Some(Charged::Admitted(_)) | None => StoreOutcome::Done,
        };
        self.measure(StoreOperation::Charge, self.inner.charge(bucket, rate), judge).await
    }

    async fn check(&self) -> Result<(), StoreError> {
        self.measure(StoreOperation::Check, self.inner.check(), |()| StoreOutcome::Done).await
    }

    fn listen(&self, listener: Arc<dyn Listener>) {
        self.inner.listen(listener);
    }

    fn feed_is_alive(&self) -> bool {
        self.inner.feed_is_alive()
    }

    async fn keys(&self, place: Place) -> Result<Vec<Key>, StoreError> {
        self.measure(StoreOperation::Keys, self.inner.keys(place), |_| StoreOutcome::Done).await
    }
}
