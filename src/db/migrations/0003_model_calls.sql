-- Some providers charge what is written to their cache differently from what is read without it.
alter table model_calls add column cache_write_input_tokens bigint;

-- For the sweep that closes calls whose control plane died: pending rows are few, however large the table grows.
create index model_calls_pending on model_calls (started_at) where outcome = 'pending';
