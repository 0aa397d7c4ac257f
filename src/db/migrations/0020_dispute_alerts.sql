-- Operators are told of disputes.
alter table alerts drop constraint alerts_kind_check;
alter table alerts add constraint alerts_kind_check check (kind in
  ('balance_low', 'credits_exhausted', 'budget_threshold', 'top_up_failed', 'ledger_damaged', 'dispute_opened',
    'dispute_closed', 'test'));
