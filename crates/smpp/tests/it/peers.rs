//! SMSCs of others.
