-- Until when what budgets hold pays for an instance that runs; null where none limits it.
alter table runtime_meters add column budget_until timestamptz;

-- What people are told of a hold, where there is more to say than why.
alter table instances add column credit_hold_message text;
