//! Pages of digests between the engine and memory: how they are made of derived answers, read, and put together.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::{Arc, OnceLock},
};

use bytes::Bytes;
use postrider_engine::Read;
use postrider_message::DerivedView;

use crate::{
    account::Account,
    change::digest::WriteDigests,
    chunk::Chunk,
    digest::{HeldPage, Places, SearchDigest, SortDigest},
    digest_page::{PAGE_ROWS, Page, PageRows, SearchPage, SearchRows, SortPage, SortRows, page_of, row_of},
    draft::read_records,
    error::StoreError,
    identifier::{AccountId, BlobId},
    keys,
    load::{malformed, scan_records},
    message::DerivedValues,
    snapshot::{Entry, Snapshot},
};

/// A stored page is used by a chunk that has at least so many rows in it; for fewer the derived answers are read.
const PAGE_USE_MIN: usize = 8;

/// A page that is not stored is missed by a mailbox that has at least so many rows in it.
const PAGE_MISSED_MIN: usize = 32;

/// Pages that are read with one call of the engine; others have their turn in between.
const PAGES_READ: usize = 64;

/// The two records of a page, in the order of [`KINDS`].
pub(crate) type PageRecords = [Vec<u8>; KINDS.len()];

/// All kinds of pages.
pub(crate) const KINDS: [u8; 2] = [SortPage::KIND, SearchPage::KIND];

/// Whether a blob's page is complete: no blob will come into it any more.
pub(crate) fn pages_complete(blob_next: u64) -> u64 {
    blob_next / PAGE_ROWS
}

/// Makes a page of the derived answers of its blobs, stored ones and those in `changed`, which count instead of what is
/// stored; nothing if none of its blobs is there.
pub(crate) async fn make_page<R: Read + ?Sized>(
    read: &R,
    account: AccountId,
    page: u64,
    changed: &BTreeMap<BlobId, Option<DerivedValues>>,
) -> Result<Option<PageRecords>, StoreError> {
    let (first, end) = (page * PAGE_ROWS, page.saturating_add(1) * PAGE_ROWS);
    let (mut sort, mut search) = (SortRows::default(), SearchRows::default());
    let (mut next, mut is_empty) = (first, true);
    let mut push = |bytes: Option<&[u8]>| {
        let view = bytes.and_then(|bytes| DerivedView::parse(bytes).ok());
        is_empty &= bytes.is_none();
        sort.push(view.as_ref());
        search.push(view.as_ref());
    };
    let fresh = |blob: u64| changed.get(&BlobId(blob)).map(|derived| derived.as_ref().map(|derived| &*derived.answers));
    scan_records(read, &keys::derived_between(account, BlobId(first), BlobId(end)), |key, value| {
        let blob = keys::split_number(key).ok_or_else(|| malformed("derived"))?;
        (next..blob).for_each(|missing| push(fresh(missing).flatten()));
        push(fresh(blob).unwrap_or(Some(value)));
        next = blob + 1;
        Ok(())
    })
    .await?;
    (next..end).for_each(|missing| push(fresh(missing).flatten()));
    Ok((!is_empty).then(|| [sort.encode(), search.encode()]))
}

/// What is stored of a page.
pub(crate) async fn read_page<R: Read + ?Sized>(
    read: &R,
    account: AccountId,
    page: u64,
) -> Result<[Option<Vec<u8>>; KINDS.len()], StoreError> {
    let wanted = KINDS.map(|kind| keys::digest(account, kind, page));
    let mut found = read_records(read, &wanted, |value| Ok(value.to_vec())).await?.into_iter();
    Ok(KINDS.map(|_| found.next().flatten()))
}

/// A digest of some kind, and where a chunk keeps it.
pub(crate) trait DigestKind: Sized + Send + Sync + 'static {
    type Page: Page;
    fn kept(chunk: &Chunk) -> &OnceLock<Arc<Self>>;
    fn of(places: Places<Self::Page>) -> Self;
    fn may_be_kept(&self) -> bool;
}

impl DigestKind for SortDigest {
    type Page = SortPage;

    fn kept(chunk: &Chunk) -> &OnceLock<Arc<Self>> {
        &chunk.sort_digest
    }

    fn of(places: Places<SortPage>) -> Self {
        Self(places)
    }

    fn may_be_kept(&self) -> bool {
        self.0.may_be_kept()
    }
}

impl DigestKind for SearchDigest {
    type Page = SearchPage;

    fn kept(chunk: &Chunk) -> &OnceLock<Arc<Self>> {
        &chunk.search_digest
    }

    fn of(places: Places<SearchPage>) -> Self {
        Self(places)
    }

    fn may_be_kept(&self) -> bool {
        self.0.may_be_kept()
    }
}

/// Stored pages that were read.
type Loaded<P> = BTreeMap<u64, Arc<HeldPage<P>>>;

impl Account {
    /// What SORT and THREAD compare of a mailbox's messages: a digest for each chunk, in order; all their rows together are
    /// the messages of `messages`.
    pub async fn sort_digests(&self, messages: &Snapshot) -> Result<Vec<Arc<SortDigest>>, StoreError> {
        self.digests(messages).await
    }

    /// The same of what SEARCH compares.
    pub async fn search_digests(&self, messages: &Snapshot) -> Result<Vec<Arc<SearchDigest>>, StoreError> {
        self.digests(messages).await
    }

    async fn digests<D: DigestKind>(&self, messages: &Snapshot) -> Result<Vec<Arc<D>>, StoreError> {
        let chunks = messages.chunks();
        let lacking = chunks.iter().filter(|chunk| D::kept(chunk).get().is_none());
        let mut used: BTreeMap<u64, usize> = BTreeMap::new();
        for row in lacking.flat_map(|chunk| chunk.rows()) {
            *used.entry(page_of(row.blob)).or_default() += 1;
        }
        let complete = pages_complete(self.state().record.blob_next);
        used.retain(|page, rows| *rows >= PAGE_USE_MIN && *page < complete);
        let loaded = self.load_pages(used.keys().copied().collect()).await?;
        let missed = used.iter().filter(|(page, rows)| **rows >= PAGE_MISSED_MIN && !loaded.contains_key(page));
        let missed: Vec<u64> = missed.map(|(page, _)| *page).collect();
        let mut digests = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            if let Some(digest) = D::kept(chunk).get() {
                digests.push(Arc::clone(digest));
                continue;
            }
            let digest = Arc::new(D::of(self.place(chunk.rows(), &loaded).await?));
            if digest.may_be_kept() {
                let _ = D::kept(chunk).set(Arc::clone(&digest));
            }
            digests.push(digest);
        }
        self.write_missed(missed);
        Ok(digests)
    }

    async fn load_pages<P: Page>(&self, pages: Vec<u64>) -> Result<Loaded<P>, StoreError> {
        let mut loaded = Loaded::new();
        for pages in pages.chunks(PAGES_READ) {
            let wanted: Vec<Vec<u8>> = pages.iter().map(|page| keys::digest(self.id, P::KIND, *page)).collect();
            // What is malformed is missing: it is made anew.
            let parse = |value: &[u8]| Ok(P::parse(Bytes::copy_from_slice(value)).ok());
            let found = read_records(&*self.engine, &wanted, parse).await?;
            for (page, found) in pages.iter().zip(found) {
                if let Some(found) = found.flatten() {
                    loaded.insert(*page, HeldPage::new(found, &self.digests));
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(loaded)
    }

    /// Finds the rows of a chunk in stored pages, and makes a page for those that are in none.
    async fn place<P: Page>(&self, chunk: &[Entry], loaded: &Loaded<P>) -> Result<Places<P>, StoreError> {
        let mut pages: Vec<Arc<HeldPage<P>>> = Vec::new();
        let mut rows = Vec::with_capacity(chunk.len());
        let mut own: Vec<BlobId> = Vec::new();
        let mut known: (u64, Option<u16>) = (u64::MAX, None);
        let mut numbers: BTreeMap<u64, u16> = BTreeMap::new();
        for row in chunk {
            let page = page_of(row.blob);
            if known.0 != page {
                let number = numbers.get(&page).copied().or_else(|| {
                    let number = pages.len() as u16;
                    pages.push(Arc::clone(loaded.get(&page)?));
                    numbers.insert(page, number);
                    Some(number)
                });
                known = (page, number);
            }
            rows.push(match known.1 {
                Some(number) => (number, row_of(row.blob)),
                None => {
                    own.push(row.blob);
                    (u16::MAX, (own.len() - 1) as u16)
                }
            });
        }
        if !own.is_empty() {
            let number = pages.len() as u16;
            rows.iter_mut().filter(|(page, _)| *page == u16::MAX).for_each(|(page, _)| *page = number);
            pages.push(self.own_page(&own).await?);
            // Many messages were read: others are to have their turn.
            tokio::task::yield_now().await;
        }
        Ok(Places::new(pages, rows))
    }

    async fn own_page<P: Page>(&self, blobs: &[BlobId]) -> Result<Arc<HeldPage<P>>, StoreError> {
        let mut rows = P::Rows::default();
        self.derived(blobs, &mut |_, derived| {
            rows.push(derived.and_then(|bytes| DerivedView::parse(bytes).ok()).as_ref());
            ControlFlow::Continue(())
        })
        .await?;
        Ok(HeldPage::new(P::parse(Bytes::from(rows.encode()))?, &self.digests))
    }

    /// Has pages written that were missed, while nobody waits for it; who comes next finds them.
    fn write_missed(&self, pages: Vec<u64>) {
        if pages.is_empty() {
            return;
        }
        let writer = self.writer.clone();
        let account = self.id;
        tokio::spawn(async move {
            for pages in pages.chunks(PAGES_WRITTEN) {
                if let Err(error) = writer.submit(WriteDigests { pages: pages.to_vec() }).await {
                    tracing::debug!(account = account.0, %error, "digests could not be written");
                    return;
                }
            }
        });
    }

    /// Holds stored pages against what they are made of, and writes those that differ. Answers how many did.
    pub(crate) async fn rewrite_digests(&self) -> Result<u64, StoreError> {
        let complete = pages_complete(self.state().record.blob_next);
        let mut written = 0;
        for page in 0..complete {
            written += self.writer.submit(WriteDigests { pages: vec![page] }).await?;
        }
        Ok(written)
    }
}

/// Pages that are written with one change: deliveries do not wait long for them.
const PAGES_WRITTEN: usize = 4;

/// Pages that a group of changes leaves to be written, and those that are not true any more.
pub(crate) fn pages_touched(
    complete_before: u64,
    complete_after: u64,
    changed: &BTreeMap<BlobId, Option<DerivedValues>>,
) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let completed: BTreeSet<u64> = (complete_before..complete_after).collect();
    let stale = changed.keys().map(|blob| page_of(*blob)).filter(|page| *page < complete_before).collect();
    (completed, stale)
}
