-- What the next token is derived with, so that an attempt whose answer was lost can be repeated.
alter table refresh_tokens add column attempt_salt bytea;
