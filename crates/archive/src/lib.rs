//! Mail as files: mbox, Maildir, `.eml` and `.emlx` trees, in folders, tar and zip.
