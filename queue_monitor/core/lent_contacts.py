"""Says whose call a leg is of that a caller goes on under, where a source knows nothing but the leg."""

from queue_monitor.core.evidence import COARSE_MS, Evidence


def lend_contact(lender: Evidence, borrower: Evidence) -> bool:
    """Let the stays of a caller's leg be of the call that is known of the same caller's stays under another leg, or in
    another queue; return whether that is news.

    A queue_log knows a call by its leg alone. Where that is all that is known here, the other stays know better, also
    when they had lent their own leg or visit while nobody had reported their call.
    """
    if lender is borrower or not lender.stays:
        return False
    contact_id = lender.stays[-1].visit.contact_id
    lenders = {claim: ms for report in lender.reports.values() for claim, ms in report.contacts.items()}
    borrowers = {claim for report in borrower.reports.values() for claim in report.contacts}
    own = {borrower.leg_id, *borrower.also}
    stood_in = {lender.leg_id, *lender.reports} - lenders.keys() - own
    if contact_id == borrower.leg_id or not borrowers <= {*own, *lenders, *stood_in}:
        return False
    precision_ms = lenders.get(contact_id, COARSE_MS)
    is_news = False
    for report in borrower.reports.values():
        if precision_ms < report.contacts.get(contact_id, precision_ms + 1):
            report.name_contact(contact_id, precision_ms)
            is_news = True
        if outdated := (stood_in - {contact_id}) & report.contacts.keys():
            report.contacts = {claim: ms for claim, ms in report.contacts.items() if claim not in outdated}
            is_news = True
    return is_news
