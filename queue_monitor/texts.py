"""Every sentence and number format that a person sees, in Swedish and English.

The wallboard's script formats its ticking numbers by the same rules; a test holds the two together.
"""

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo

from queue_monitor.model import Alert, AlertChange, AlertKind, DefinitionId, Outcome, Status, StatusReason

LANGUAGES: Final = ("sv", "en")
NONE: Final = "–"
_SPACE: Final = "\N{NO-BREAK SPACE}"

_SWEDISH: Final = {
    "language": "Svenska",
    "title": "Köläge",
    "decimal": ",",
    "thousands": _SPACE,
    "percent": "{number}" + _SPACE + "%",
    "clock_separator": ".",
    # the four big things
    "waiting": "Väntande samtal",
    "oldest_wait": "Längsta väntetid nu",
    "in_time_today": "Besvarade inom {limit} i dag",
    "in_time_period": "Besvarade inom {limit}",
    "available": "Lediga",
    "of_staffed": "av {staffed} inloggade",
    "staff_title": "Lediga av inloggade",
    "staff_unknown": "Växeln lämnar inga uppgifter",
    "nobody_staffed": "Ingen inloggad",
    "nobody_waits": "Ingen väntar",
    "over_limit": "{count} över {limit}",
    "all_within": "Alla under {limit}",
    "near_limit": "Närmar sig {limit}",
    "past_limit": "Över {limit}",
    "last_known": "Senast känt",
    "last_known_status": "Senast känt: {status}.",
    "within_limit": "Under {limit}",
    "talking": "Pågående samtal",
    "target": "Mål {target}",
    "target_met": "Målet nås hittills",
    "target_not_met": "Under målet just nu",
    "floor": "lägst {floor}",
    "ceiling": "högst {ceiling}",
    "no_calls_today": "Inga samtal i dag",
    # people
    "busy": "I samtal",
    "ringing": "Ringer",
    "wrapup": "Efterbehandling",
    "paused": "Pausade",
    "unreachable": "Ej nåbara",
    "staffed": "Inloggade",
    # status
    "status.ok": "Inom mål",
    "status.at_risk": "Risk att målet missas",
    "status.out_of_reach": "Målet går inte att nå",
    "status.no_data": "Ingen data",
    "reason.within_target": "Minst {target} har hittills besvarats inom {limit}.",
    "reason.expected_within": "Prognosen för dagen ligger över {target}.",
    "reason.likely_missed": "Prognosen för dagen ligger under {target}.",
    "reason.cannot_be_reached": "Dagens mål går inte att nå längre.",
    "reason.under_target_so_far": "Färre än {target} har hittills besvarats inom {limit}.",
    "reason.many_refused": "Fler än {refused_limit} av uppringningarna har avvisats.",
    "reason.period_lost": "Dagen slutade under {target}.",
    "reason.no_calls": "Inga samtal att mäta än i dag.",
    "reason.source_down": "Kontakten med växeln är bruten.",
    "reason.source_silent": "Växeln har inte hörts av på ett tag.",
    "reason.no_source": "Ingen växel är ansluten.",
    "reason.counts_only": "Växeln lämnar bara antal: servicenivån går inte att mäta.",
    # definitions
    "definition.D1": "av besvarade",
    "definition.D2": "av alla inkomna",
    "definition.D3": "utan korta tapp",
    "definition.D4": "utan tapp inom {limit}",
    "definition.D5": "tapp inom {limit} räknas som bra",
    "definition_long.D1": "besvarade inom {limit} av alla besvarade",
    "definition_long.D2": "besvarade inom {limit} av alla inkomna till kö",
    "definition_long.D3": "som D2, men de som tappats inom {short} räknas inte",
    "definition_long.D4": "som D2, men de som tappats inom {limit} räknas inte",
    "definition_long.D5": "som D2, men de som tappats inom {limit} räknas som besvarade i tid",
    # the day in numbers
    "today": "I dag",
    "month": "Månaden",
    "tertial": "Tertialet",
    "entered": "Inkomna till kö",
    "dialled": "Uppringningar",
    "answered": "Besvarade",
    "abandoned": "Tappade",
    "left_otherwise": "Lämnat på annat sätt",
    "refused": "Avvisade",
    "expected_wait": "Nästa samtal",
    "expected_at_once": "svar direkt",
    "expected_under_minute": "under 1 min",
    "expected_minutes": "ca {minutes} min",
    "coverage": "Uppmätt tid",
    "precision": "±{seconds} s",
    # what stands, on the board and on the lead's page: no number that grows old
    "brief": "{label}: {what}",
    "brief.eased": "{label}: {what}, har lättat",
    "brief.more": "+ {count} till",
    "brief.acknowledged": "kvitterat",
    "brief.target_at_risk.warning": "risk att {goal} missas",
    "brief.target_at_risk.alarm": "stor risk att {goal} missas",
    "brief.target_out_of_reach": "{goal} beräknas inte gå att nå",
    "brief.long_wait": "någon har väntat mer än {limit}",
    "brief.source_silent": "ingen kontakt med växeln",
    "brief.no_agents": "ingen är inloggad",
    "brief.many_refused": "många avvisas",
    "brief.surge": "ovanligt många ringer",
    "brief.heartbeat": "bevakningen är igång",
    # margin and help, both estimates
    "margin.day": "{number} av ca {base} för hela dagen",
    "margin.month": "{number} av ca {base} för hela månaden",
    "margin.too_many": "{number} för många",
    "margin.line": "Marginal: {margin}.",
    "help.queue": "Uppskattning: {number} till nu för att korta kön.",
    "help.day": "Uppskattning: {number} till resten av dagen räcker för målet.",
    "help.day_until": "Uppskattning: {number} till fram till {until} räcker för målet.",
    "help.out_of_reach": "Målet går troligen inte att nå i dag.",
    # curve
    "curve": "I dag, samtal per {minutes} min",
    "curve_in_time": "I tid",
    "curve_late": "Sent",
    "curve_lost": "Tappade och övriga",
    "curve_waiting": "Väntar",
    "curve_share": "Andel i tid",
    "curve_empty": "Inga samtal än i dag",
    "curve_summary": "{entered} inkomna: {in_time} besvarade i tid, {late} sent, {lost} tappade eller övriga.",
    # queues
    "queues": "Köer",
    "queue": "Kö",
    "queue_waiting": "Väntar",
    "queue_oldest": "Längst",
    "queue_share": "I dag",
    "queue_staff": "Lediga",
    "queue_status": "Läge",
    "queue_closed": "Stängt",
    "queue_page": "Sida {page} av {pages}",
    # trust
    "stale": "Ingen ny uppgift sedan {clock}",
    "stale_detail": "Tavlan har tappat kontakten med mätningen. Siffrorna kan vara inaktuella. Försöker igen.",
    "no_contact": "Ingen kontakt med växeln sedan {clock}",
    "no_contact_named": "Ingen kontakt med växeln {switch} sedan {clock}",
    "no_contact_ever": "Ingen kontakt med växeln",
    "no_contact_ever_named": "Ingen kontakt med växeln {switch}",
    "no_contact_detail": "Siffror som inte kan styrkas är nedtonade.",
    "no_source": "Ingen växel är ansluten",
    "silent": "Växeln tyst sedan {clock}",
    "journal_down": "Händelser kan inte sparas just nu",
    "updated": "Uppdaterad {clock}",
    "connecting": "Ansluter",
    "source_up": "Kontakt med växeln",
    "simulated": "Simulerad tid, {rate} gånger fortare",
    "standing_still": "Inspelning, tiden står still",
    "definition_note": "Mål {target} inom {limit}. {definition}: {words}",
    "definition_since": "gäller från {date}",
    # night
    "closed": "Stängt",
    "open_until": "Öppet till {clock}",
    "open_in": "Öppet i {queues}",
    "closed_opens": "Stängt – öppnar {day} {clock}",
    "opens_today": "i dag",
    "opens_tomorrow": "i morgon",
    "result_today": "Dagens resultat",
    "result_none": "Inga samtal i dag",
    "weekday.0": "måndag",
    "weekday.1": "tisdag",
    "weekday.2": "onsdag",
    "weekday.3": "torsdag",
    "weekday.4": "fredag",
    "weekday.5": "lördag",
    "weekday.6": "söndag",
    "month.1": "januari",
    "month.2": "februari",
    "month.3": "mars",
    "month.4": "april",
    "month.5": "maj",
    "month.6": "juni",
    "month.7": "juli",
    "month.8": "augusti",
    "month.9": "september",
    "month.10": "oktober",
    "month.11": "november",
    "month.12": "december",
    "date": "{weekday} {day} {month}",
    # outcomes, as in lists of calls
    "outcome.waiting": "väntar",
    "outcome.answered": "besvarat",
    "outcome.abandoned": "tappat",
    "outcome.timeout": "för lång väntan",
    "outcome.overflow": "skickat till annan kö",
    "outcome.no_agents": "ingen inloggad",
    "outcome.exit_key": "knappval",
    "outcome.withdrawn": "borttaget ur kön",
    "outcome.callback": "återuppringning",
    "outcome.transferred_out": "kopplat vidare",
    "outcome.closed": "kön stängde",
    "outcome.system": "avbrutet av systemet",
    "outcome.lost": "brutet av växeln",
    "outcome.unknown": "okänt",
    "outcome.refused": "avvisat",
    # lengths of time
    "hours_short": "{hours} tim",
    "minutes_short": "{minutes} min",
    "seconds_short": "{seconds} s",
    "no_script": "Tavlan behöver JavaScript.",
    # the API's own pages
    "docs.title": "Gränssnittets dokumentation",
    "docs.intro": "Alla andelar är 0–1, alla tider sekunder, alla klockslag UTC. Beskrivningarna är på engelska.",
    "docs.parameters": "Parametrar",
    "docs.name": "Namn",
    "docs.where": "Var",
    "docs.type": "Typ",
    "docs.meaning": "Betydelse",
    "docs.answers": "Svar",
    "docs.shapes": "Former",
    "docs.required": "krävs",
    "docs.open": "Öppna",
    "docs.document": "OpenAPI-dokumentet",
    "docs.board": "Tavlan",
    # messages to people
    "alert.title": "Kl. {clock} – {label}: {what}",
    "alert.numbers": "noll en två tre fyra fem sex sju åtta nio tio elva tolv",
    "alert.minutes": "{minutes} minuter",
    "alert.minute": "1 minut",
    "alert.goal.day": "dagsmålet",
    "alert.goal.month": "månadsmålet",
    "alert.target.warning": "risk att {goal} missas.",
    "alert.target.alarm": "stor risk att {goal} missas.",
    "alert.target.eased.day": "läget har lättat, risk kvar.",
    "alert.target.eased.month": "läget har lättat, men månadsmålet är inte säkert.",
    "alert.target.cleared.day": "risken är över.",
    "alert.target.cleared.month": "månadsmålet är inte längre i fara.",
    "alert.target.ended.day": "dagen slutade på {share}.",
    "alert.target.ended.month": "månaden slutade på {share}.",
    "alert.target.ended_without": "dagen är slut.",
    "alert.target.out_of_reach": "målet beräknas inte gå att nå i dag.",
    "alert.agents_until": "{Number} till i telefonkön fram till kl. {until} beräknas räcka.",
    "alert.agents": "{Number} till i telefonkön beräknas räcka.",
    "alert.agents_uncertain": "Så många som möjligt i telefonkön: även med {number} till är det osäkert om det räcker.",
    "alert.agents_for_queue": "{Number} till i telefonkön beräknas räcka för att korta kön.",
    "alert.so_far.day": "Hittills i dag: {share} besvarade inom {limit} (mål {target}).",
    "alert.so_far.month": "Hittills i månaden: {share} besvarade inom {limit} (mål {target}).",
    "alert.so_far_ending.day": "Hittills i dag: {share} besvarade inom {limit} (mål {target}), prognos {forecast}.",
    "alert.so_far_ending.month": "Hittills: {share} besvarade inom {limit} (mål {target}), prognos {forecast}.",
    "alert.promise": "Mål {target} inom {limit}.",
    "alert.forecast.day": "Prognos för dagen {share} (mål {target}).",
    "alert.forecast.month": "Prognos för månaden {share} (mål {target}).",
    "alert.forecast_within.day": "Prognos för dagen {share} (troligen {low}–{high}, mål {target}).",
    "alert.forecast_within.month": "Prognos för månaden {share} (troligen {low}–{high}, mål {target}).",
    "alert.cause.calls": "Risken beror mest på fler samtal än väntat.",
    "alert.cause.staff": "Risken beror mest på färre inloggade än väntat.",
    "alert.cause.handle_time": "Risken beror mest på att samtalen tar längre tid än väntat.",
    "alert.waiting": "{number} väntar, längst {wait}.",
    "alert.number_waiting": "{number} väntar.",
    "alert.nobody_waits": "Ingen väntar.",
    "alert.margin.day": "Dagen tål ca {number} sena eller tappade samtal till (av ca {budget})",
    "alert.margin.month": "Månaden tål ca {number} sena eller tappade samtal till (av ca {budget})",
    "alert.margin_ends": "; i nuvarande takt är marginalen slut ca kl. {clock}",
    "alert.margin_none.day": "Dagens marginal är slut: ca {budget} sena eller tappade samtal",
    "alert.margin_none.month": "Månadens marginal är slut: ca {budget} sena eller tappade samtal",
    "alert.margin_over.day": "Redan ca {number} för många sena eller tappade samtal (dagen tål ca {budget})",
    "alert.margin_over.month": "Redan ca {number} för många sena eller tappade samtal (månaden tål ca {budget})",
    "alert.month": "Månaden: {share}.",
    "alert.month.holds": "Månaden: {share}, tål dagen.",
    "alert.month.tight": "Månaden: {share}, på gränsen.",
    "alert.month.at_risk": "Månaden: {share}, månadsmålet i fara.",
    "alert.staff": "{number} inloggade.",
    "alert.nobody_staffed": "Ingen är inloggad.",
    "alert.long_wait.raised": "någon har väntat i {wait}.",
    "alert.long_wait.eased": "den längsta väntan är kortare, men fortfarande över {limit}.",
    "alert.long_wait.cleared": "ingen väntar längre än {limit}.",
    "alert.source_down": "ingen kontakt med växeln sedan kl. {since}.",
    "alert.source_silent": "växeln har inte hörts av sedan kl. {since}.",
    "alert.no_source": "ingen växel är ansluten.",
    "alert.source.cleared": "kontakten med växeln är tillbaka.",
    "alert.source.body": "Den som ringer kan få vänta utan att det syns. Tills vidare visar tavlan ”Ingen data”.",
    "alert.source.back": "Siffrorna gäller igen.",
    "alert.no_agents.raised": "ingen är inloggad i telefonkön och {number} väntar.",
    "alert.no_agents.cleared": "telefonkön är bemannad igen.",
    "alert.longest": "Längsta väntan är {wait}.",
    "alert.many_refused.raised": "{share} av uppringningarna den senaste halvtimmen har avvisats.",
    "alert.many_refused.eased": "färre avvisas, men fortfarande över {limit} av uppringningarna.",
    "alert.many_refused.cleared": "nästan ingen avvisas längre.",
    "alert.many_refused.body": "{refused} av {dialled} kom aldrig in i kön.",
    "alert.surge.raised": "{arrived} samtal på 15 minuter, {factor} gånger det vanliga.",
    "alert.surge.updated": "fortfarande ovanligt många samtal, {arrived} på 15 minuter.",
    "alert.surge.also.target_at_risk": "Stor risk att dagsmålet missas.",
    "alert.surge.also.target_out_of_reach": "Dagsmålet beräknas inte gå att nå.",
    "alert.surge.also.many_refused": "{share} av uppringningarna avvisas.",
    "alert.surge.advice": "Förslag: besked i talsvar och kö, information på webben, fler inkallade.",
    "alert.surge.crisis": "Om det är en kris avgör den som är utsedd till det.",
    "alert.surge.eased": "färre ringer, men fortfarande fler än vanligt.",
    "alert.surge.cleared": "det kommer inte längre ovanligt många samtal.",
    "alert.hours.answered_while_closed": "växeln tar emot samtal fast det ska vara stängt.",
    "alert.hours.refused_while_open": "växeln avvisar samtal som stängt fast det ska vara öppet.",
    "alert.hours.body": "{number} samtal sedan kl. {since}. Växelns tider eller kalendern behöver rättas.",
    "alert.heartbeat": "bevakningen är igång.",
    "alert.heartbeat.body": "Dagens livstecken. Larm som skickas den här vägen kommer fram.",
    "alert.heartbeat.lost": "larm når inte fram via {channel}.",
    "alert.heartbeat.lost.body": "Dagens livstecken gick inte att skicka den vägen. Tavlan visar alla larm.",
    "alert.closed": "stängt för dagen.",
    "alert.joined": "räknas nu ihop med fler köer.",
    "alert.past": "avslutat, dagen är över.",
    "alert.acknowledge": "Kvittera: {link}",
    "alert.escalated": "Ingen har kvitterat sedan kl. {clock}.",
    # the page that acknowledges
    "ack.title": "Kvittera larm",
    "ack.button": "Jag har sett det",
    "ack.done": "Kvitterat. Larmet skickas inte vidare.",
    "ack.already": "Larmet är redan kvitterat.",
    "ack.unknown": "Länken gäller inget larm som finns kvar.",
    "ack.note": "Att kvittera betyder att någon tar hand om det. Larmet står kvar på tavlan tills läget är över.",
    "sign_in.title": "Logga in",
    "sign_in.note": "Skriv den nyckel som den som sköter köläget har lämnat. Inloggningen gäller i tolv timmar.",
    "sign_in.token": "Nyckel",
    "sign_in.button": "Logga in",
    "sign_in.out": "Logga ut",
    "sign_in.wrong": "Nyckeln känns inte igen.",
    "sign_in.wait": "För många okända nycklar. Vänta en minut.",
    # errors
    "error.unknown_queue": "Det finns ingen kö som heter ”{queue}”. Köer som finns: {queues}.",
    "error.bad_time": "”{value}” i {name} är ingen tid. Skriv till exempel 2026-03-02 eller 2026-03-02T08:00:00Z.",
    "error.bad_day": "”{value}” i {name} är ingen dag. Skriv till exempel 2026-03-02.",
    "error.no_alert": "Det finns inget sådant larm som står kvar.",
    "error.database_away": "Databasen går inte att nå just nu. Försök igen om en stund.",
    "error.far_time": "”{value}” i {name} ligger för långt bort. Åren {first} till {last} går att fråga efter.",
    "error.backwards": "from ({start}) måste vara före to ({end}).",
    "error.bad_choice": "”{value}” går inte att välja som {name}. Välj bland: {choices}.",
    "error.not_found": "Här finns inget.",
    "error.bad_request": "Frågan gick inte att förstå: {words}",
    "ready.journal_down": "Journalen kan inte skrivas.",
    "ready.no_source": "Ingen källa är ansluten.",
    "ready.sources_down": "Ingen källa har kontakt: {sources}.",
    "ready.old_figures": "Siffrorna är {seconds} s gamla.",
}

_ENGLISH: Final = {
    "language": "English",
    "title": "Queue status",
    "decimal": ".",
    "thousands": ",",
    "percent": "{number}%",
    "clock_separator": ":",
    "waiting": "Calls waiting",
    "oldest_wait": "Longest wait now",
    "in_time_today": "Answered within {limit} today",
    "in_time_period": "Answered within {limit}",
    "available": "Available",
    "of_staffed": "of {staffed} logged in",
    "staff_title": "Available of logged in",
    "staff_unknown": "The switch tells nothing of agents",
    "nobody_staffed": "Nobody logged in",
    "nobody_waits": "Nobody waiting",
    "over_limit": "{count} over {limit}",
    "all_within": "All under {limit}",
    "near_limit": "Nearing {limit}",
    "past_limit": "Over {limit}",
    "last_known": "Last known",
    "last_known_status": "Last known: {status}.",
    "within_limit": "Under {limit}",
    "talking": "Calls in progress",
    "target": "Target {target}",
    "target_met": "Target met so far",
    "target_not_met": "Under target now",
    "floor": "lowest {floor}",
    "ceiling": "highest {ceiling}",
    "no_calls_today": "No calls today",
    "busy": "On a call",
    "ringing": "Ringing",
    "wrapup": "Wrap-up",
    "paused": "Paused",
    "unreachable": "Unreachable",
    "staffed": "Logged in",
    "status.ok": "Within target",
    "status.at_risk": "Risk of missing the target",
    "status.out_of_reach": "Target out of reach",
    "status.no_data": "No data",
    "reason.within_target": "At least {target} answered within {limit} so far.",
    "reason.expected_within": "The day is forecast to end above {target}.",
    "reason.likely_missed": "The day is forecast to end under {target}.",
    "reason.cannot_be_reached": "Today's target can no longer be reached.",
    "reason.under_target_so_far": "Fewer than {target} answered within {limit} so far.",
    "reason.many_refused": "More than {refused_limit} of all who dialled were refused.",
    "reason.period_lost": "The day ended under {target}.",
    "reason.no_calls": "No calls to measure yet today.",
    "reason.source_down": "The connection to the switch is broken.",
    "reason.source_silent": "The switch has not been heard for a while.",
    "reason.no_source": "No switch is connected.",
    "reason.counts_only": "The switch tells only how many wait: the service level cannot be measured.",
    "definition.D1": "of answered",
    "definition.D2": "of all offered",
    "definition.D3": "without short abandons",
    "definition.D4": "without abandons within {limit}",
    "definition.D5": "abandons within {limit} count as good",
    "definition_long.D1": "answered within {limit} of all answered",
    "definition_long.D2": "answered within {limit} of all who joined a queue",
    "definition_long.D3": "as D2, but those who hung up within {short} do not count",
    "definition_long.D4": "as D2, but those who hung up within {limit} do not count",
    "definition_long.D5": "as D2, but those who hung up within {limit} count as answered in time",
    "today": "Today",
    "month": "This month",
    "tertial": "This four-month period",
    "entered": "Joined a queue",
    "dialled": "Dialled",
    "answered": "Answered",
    "abandoned": "Abandoned",
    "left_otherwise": "Left otherwise",
    "refused": "Refused",
    "expected_wait": "Next caller",
    "expected_at_once": "at once",
    "expected_under_minute": "under 1 min",
    "expected_minutes": "about {minutes} min",
    "coverage": "Time measured",
    "precision": "±{seconds} s",
    "brief": "{label}: {what}",
    "brief.eased": "{label}: {what}, has eased",
    "brief.more": "+ {count} more",
    "brief.acknowledged": "acknowledged",
    "brief.target_at_risk.warning": "{goal} may be missed",
    "brief.target_at_risk.alarm": "{goal} will probably be missed",
    "brief.target_out_of_reach": "{goal} is not expected to be reached",
    "brief.long_wait": "somebody has waited more than {limit}",
    "brief.source_silent": "no contact with the switch",
    "brief.no_agents": "nobody is logged in",
    "brief.many_refused": "many are refused",
    "brief.surge": "unusually many are calling",
    "brief.heartbeat": "the monitor is running",
    "margin.day": "{number} of about {base} for the whole day",
    "margin.month": "{number} of about {base} for the whole month",
    "margin.too_many": "{number} too many",
    "margin.line": "Margin: {margin}.",
    "help.queue": "Estimate: {number} more now to shorten the queue.",
    "help.day": "Estimate: {number} more for the rest of the day is enough for the target.",
    "help.day_until": "Estimate: {number} more until {until} is enough for the target.",
    "help.out_of_reach": "The target can probably not be reached today.",
    "curve": "Today, calls per {minutes} min",
    "curve_in_time": "In time",
    "curve_late": "Late",
    "curve_lost": "Abandoned and other",
    "curve_waiting": "Waiting",
    "curve_share": "Share in time",
    "curve_empty": "No calls yet today",
    "curve_summary": "{entered} joined, {in_time} answered in time, {late} late, {lost} abandoned or left otherwise.",
    "queues": "Queues",
    "queue": "Queue",
    "queue_waiting": "Waiting",
    "queue_oldest": "Longest",
    "queue_share": "Today",
    "queue_staff": "Available",
    "queue_status": "State",
    "queue_closed": "Closed",
    "queue_page": "Page {page} of {pages}",
    "stale": "Nothing new since {clock}",
    "stale_detail": "This board has lost touch with the monitor. The figures may be out of date. Trying again.",
    "no_contact": "No contact with the switch since {clock}",
    "no_contact_named": "No contact with the switch {switch} since {clock}",
    "no_contact_ever": "No contact with the switch",
    "no_contact_ever_named": "No contact with the switch {switch}",
    "no_contact_detail": "Figures that cannot be vouched for are greyed.",
    "no_source": "No switch is connected",
    "silent": "The switch silent since {clock}",
    "journal_down": "Events cannot be saved at the moment",
    "updated": "Updated {clock}",
    "connecting": "Connecting",
    "source_up": "In contact with the switch",
    "simulated": "Simulated time, {rate} times faster",
    "standing_still": "Recording, time stands still",
    "definition_note": "Target {target} within {limit}. {definition}: {words}",
    "definition_since": "from {date}",
    "closed": "Closed",
    "open_until": "Open until {clock}",
    "open_in": "Open in {queues}",
    "closed_opens": "Closed – opens {day} {clock}",
    "opens_today": "today",
    "opens_tomorrow": "tomorrow",
    "result_today": "Today's result",
    "result_none": "No calls today",
    "weekday.0": "Monday",
    "weekday.1": "Tuesday",
    "weekday.2": "Wednesday",
    "weekday.3": "Thursday",
    "weekday.4": "Friday",
    "weekday.5": "Saturday",
    "weekday.6": "Sunday",
    "month.1": "January",
    "month.2": "February",
    "month.3": "March",
    "month.4": "April",
    "month.5": "May",
    "month.6": "June",
    "month.7": "July",
    "month.8": "August",
    "month.9": "September",
    "month.10": "October",
    "month.11": "November",
    "month.12": "December",
    "date": "{weekday} {day} {month}",
    "outcome.waiting": "waiting",
    "outcome.answered": "answered",
    "outcome.abandoned": "abandoned",
    "outcome.timeout": "waited too long",
    "outcome.overflow": "sent to another queue",
    "outcome.no_agents": "nobody logged in",
    "outcome.exit_key": "pressed a key",
    "outcome.withdrawn": "taken out of the queue",
    "outcome.callback": "callback",
    "outcome.transferred_out": "passed on",
    "outcome.closed": "the queue closed",
    "outcome.system": "ended by the system",
    "outcome.lost": "cut off by the switch",
    "outcome.unknown": "unknown",
    "outcome.refused": "refused",
    "hours_short": "{hours} h",
    "minutes_short": "{minutes} min",
    "seconds_short": "{seconds} s",
    "no_script": "The board needs JavaScript.",
    "docs.title": "API documentation",
    "docs.intro": "All shares are 0–1, all durations seconds, all times UTC.",
    "docs.parameters": "Parameters",
    "docs.name": "Name",
    "docs.where": "Where",
    "docs.type": "Type",
    "docs.meaning": "Meaning",
    "docs.answers": "Answers",
    "docs.shapes": "Shapes",
    "docs.required": "required",
    "docs.open": "Open",
    "docs.document": "The OpenAPI document",
    "docs.board": "The wallboard",
    "alert.title": "{clock} – {label}: {what}",
    "alert.numbers": "zero one two three four five six seven eight nine ten eleven twelve",
    "alert.minutes": "{minutes} minutes",
    "alert.minute": "1 minute",
    "alert.goal.day": "today's target",
    "alert.goal.month": "this month's target",
    "alert.target.warning": "{goal} may be missed.",
    "alert.target.alarm": "{goal} will probably be missed.",
    "alert.target.eased.day": "it has eased, some risk remains.",
    "alert.target.eased.month": "it has eased, but this month's target is not safe.",
    "alert.target.cleared.day": "the risk is over.",
    "alert.target.cleared.month": "this month's target is no longer at risk.",
    "alert.target.ended.day": "the day ended at {share}.",
    "alert.target.ended.month": "the month ended at {share}.",
    "alert.target.ended_without": "the day is over.",
    "alert.target.out_of_reach": "the target is not expected to be reached today.",
    "alert.agents_until": "{Number} more on the phones until {until} should be enough.",
    "alert.agents": "{Number} more on the phones should be enough.",
    "alert.agents_uncertain": "As many as possible on the phones: even {number} more may not be enough.",
    "alert.agents_for_queue": "{Number} more on the phones should be enough to shorten the queue.",
    "alert.so_far.day": "So far today: {share} answered within {limit} (target {target}).",
    "alert.so_far.month": "So far this month: {share} answered within {limit} (target {target}).",
    "alert.so_far_ending.day": "So far: {share} answered within {limit} (target {target}), forecast {forecast}.",
    "alert.so_far_ending.month": "So far: {share} answered within {limit} (target {target}), forecast {forecast}.",
    "alert.promise": "Target {target} within {limit}.",
    "alert.forecast.day": "Forecast for the day {share} (target {target}).",
    "alert.forecast.month": "Forecast for the month {share} (target {target}).",
    "alert.forecast_within.day": "Forecast for the day {share} (probably {low}–{high}, target {target}).",
    "alert.forecast_within.month": "Forecast for the month {share} (probably {low}–{high}, target {target}).",
    "alert.cause.calls": "The risk comes mostly from more calls than expected.",
    "alert.cause.staff": "The risk comes mostly from fewer logged in than expected.",
    "alert.cause.handle_time": "The risk comes mostly from calls that take longer than expected.",
    "alert.waiting": "{number} waiting, longest {wait}.",
    "alert.number_waiting": "{number} waiting.",
    "alert.nobody_waits": "Nobody waiting.",
    "alert.margin.day": "The day can bear about {number} more late or lost calls (of about {budget})",
    "alert.margin.month": "The month can bear about {number} more late or lost calls (of about {budget})",
    "alert.margin_ends": "; at this pace the margin is gone at about {clock}",
    "alert.margin_none.day": "The day's margin is gone: about {budget} late or lost calls",
    "alert.margin_none.month": "The month's margin is gone: about {budget} late or lost calls",
    "alert.margin_over.day": "Already about {number} late or lost calls too many (the day can bear about {budget})",
    "alert.margin_over.month": "Already about {number} late or lost calls too many (the month can bear about {budget})",
    "alert.month": "The month: {share}.",
    "alert.month.holds": "The month: {share}, can bear the day.",
    "alert.month.tight": "The month: {share}, may go either way.",
    "alert.month.at_risk": "The month: {share}, its target is at risk.",
    "alert.staff": "{number} logged in.",
    "alert.nobody_staffed": "Nobody is logged in.",
    "alert.long_wait.raised": "somebody has waited for {wait}.",
    "alert.long_wait.eased": "the longest wait is shorter, but still over {limit}.",
    "alert.long_wait.cleared": "nobody waits longer than {limit}.",
    "alert.source_down": "no contact with the switch since {since}.",
    "alert.source_silent": "the switch has not been heard since {since}.",
    "alert.no_source": "no switch is connected.",
    "alert.source.cleared": "the switch is back.",
    "alert.source.body": "Callers may wait without being seen. For now the board shows “No data”.",
    "alert.source.back": "The figures hold again.",
    "alert.no_agents.raised": "nobody is logged in and {number} waiting.",
    "alert.no_agents.cleared": "the queue is staffed again.",
    "alert.longest": "The longest wait is {wait}.",
    "alert.many_refused.raised": "{share} of those who dialled in the last half hour were refused.",
    "alert.many_refused.eased": "fewer are refused, but still more than {limit} of those who dial.",
    "alert.many_refused.cleared": "hardly anyone is refused now.",
    "alert.many_refused.body": "{refused} of {dialled} never got into the queue.",
    "alert.surge.raised": "{arrived} calls in 15 minutes, {factor} times the usual.",
    "alert.surge.updated": "still unusually many calls, {arrived} in 15 minutes.",
    "alert.surge.also.target_at_risk": "Today's target will probably be missed.",
    "alert.surge.also.target_out_of_reach": "Today's target is not expected to be reached.",
    "alert.surge.also.many_refused": "{share} of those who dial are refused.",
    "alert.surge.advice": "Suggested: a message in the menu and the queue, news on the web, more people called in.",
    "alert.surge.crisis": "Whether it is a crisis is for the person appointed to say.",
    "alert.surge.eased": "fewer are calling, but still more than usual.",
    "alert.surge.cleared": "the number of calls is no longer unusual.",
    "alert.hours.answered_while_closed": "the switch takes calls though it should be closed.",
    "alert.hours.refused_while_open": "the switch turns calls away as closed though it should be open.",
    "alert.hours.body": "{number} calls since {since}. The switch's hours or the calendar need mending.",
    "alert.heartbeat": "the monitor is running.",
    "alert.heartbeat.body": "Today's sign of life. Alarms sent this way get through.",
    "alert.heartbeat.lost": "alarms do not get through by {channel}.",
    "alert.heartbeat.lost.body": "Today's sign of life could not be sent that way. The board shows every alarm.",
    "alert.closed": "closed for the day.",
    "alert.joined": "now counted together with other queues.",
    "alert.past": "ended, that day is over.",
    "alert.acknowledge": "Acknowledge: {link}",
    "alert.escalated": "Nobody has acknowledged since {clock}.",
    "ack.title": "Acknowledge an alarm",
    "ack.button": "I have seen it",
    "ack.done": "Acknowledged. The alarm goes no further.",
    "ack.already": "The alarm has been acknowledged already.",
    "ack.unknown": "The link is about no alarm that is kept.",
    "ack.note": "Acknowledging means that somebody takes care of it. The alarm stays on the board until it is over.",
    "sign_in.title": "Sign in",
    "sign_in.note": "Write the key that whoever runs the queue status has given you. It holds for twelve hours.",
    "sign_in.token": "Key",
    "sign_in.button": "Sign in",
    "sign_in.out": "Sign out",
    "sign_in.wrong": "The key is not known.",
    "sign_in.wait": "Too many unknown keys. Wait a minute.",
    "error.unknown_queue": "There is no queue called “{queue}”. Queues that exist: {queues}.",
    "error.bad_time": "“{value}” in {name} is not a time. Write for example 2026-03-02 or 2026-03-02T08:00:00Z.",
    "error.bad_day": "“{value}” in {name} is not a day. Write for example 2026-03-02.",
    "error.no_alert": "There is no such alert that stands.",
    "error.database_away": "The database cannot be reached just now. Try again in a while.",
    "error.far_time": "“{value}” in {name} is too far away. The years {first} to {last} can be asked for.",
    "error.backwards": "from ({start}) must be before to ({end}).",
    "error.bad_choice": "“{value}” cannot be chosen as {name}. Choose one of: {choices}.",
    "error.not_found": "There is nothing here.",
    "error.bad_request": "The question could not be understood: {words}",
    "ready.journal_down": "The journal cannot be written.",
    "ready.no_source": "No source is connected.",
    "ready.sources_down": "No source has contact: {sources}.",
    "ready.old_figures": "The figures are {seconds} s old.",
}

_TEXTS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"sv": MappingProxyType(_SWEDISH), "en": MappingProxyType(_ENGLISH)}
)


def known_language(asked: str | None, default: str = "sv") -> str:
    """The language asked for, if there is one of that name."""
    return asked if asked in LANGUAGES else default


def words(language: str = "sv") -> Mapping[str, str]:
    """Everything that can be said in a language, by key."""
    return _TEXTS[language]


def say(key: str, language: str = "sv", **values: object) -> str:
    """One sentence, with its gaps filled. An unknown key is a mistake in the code: KeyError."""
    return _TEXTS[language][key].format(**values)


def status_words(status: Status, language: str = "sv") -> str:
    return say(f"status.{status.value}", language)


def reason_words(
    reason: StatusReason,
    *,
    target_ratio: float,
    limit_seconds: int,
    refused_limit_ratio: float,
    language: str = "sv",
) -> str:
    """Why a status is what it is, as a sentence."""
    return say(
        f"reason.{reason.value}",
        language,
        target=plain_percent(target_ratio, language),
        limit=span(limit_seconds, language),
        refused_limit=plain_percent(refused_limit_ratio, language),
    )


def definition_words(
    definition: DefinitionId, *, limit_seconds: int, short_abandon_seconds: int, language: str = "sv"
) -> str:
    """The formula of a service level, in words; to stand wherever the number stands."""
    return say(
        f"definition_long.{definition.value}",
        language,
        limit=span(limit_seconds, language),
        short=span(short_abandon_seconds, language),
    )


def alert_words(alert: Alert, language: str = "sv") -> str:
    """An alert that stands, in one line without a number that grows old: `Kundcenter: ingen är inloggad`."""
    key = f"brief.{alert.kind.value}"
    if alert.kind is AlertKind.TARGET_AT_RISK:
        key += f".{alert.level.value}"
    goal = say(f"alert.goal.{alert.period}", language) if alert.period in ("day", "month") else ""
    limit = alert.figures.limit_seconds or alert.figures.target.limit_seconds
    what = say(key, language, goal=goal, limit=span(limit, language))
    return say("brief.eased" if alert.change is AlertChange.EASED else "brief", language, label=alert.label, what=what)


def outcome_words(outcome: Outcome, language: str = "sv") -> str:
    return say(f"outcome.{outcome.value}", language)


def percent(ratio: float | None, target: float | None = None, language: str = "sv") -> str:
    """A share with one decimal: `87,4 %`; `–` when there is none.

    Never rounded up across the target, nor up to 100 %: 0.8996 against 0.9 is `89,9 %`.
    """
    if ratio is None:
        return NONE
    tenths = math.floor(ratio * 1000 + 0.5)
    for bound in (target, 1.0):
        if bound is not None and ratio < bound:
            tenths = min(tenths, math.ceil(bound * 1000 - 1e-6) - 1)
    whole, rest = divmod(tenths, 10)
    return say("percent", language, number=f"{whole}{_TEXTS[language]['decimal']}{rest}")


def plain_percent(ratio: float, language: str = "sv") -> str:
    """A share that somebody chose, without needless decimals: `90 %`, `92,5 %`."""
    number = f"{ratio * 100:.1f}".removesuffix(".0").replace(".", _TEXTS[language]["decimal"])
    return say("percent", language, number=number)


def count(number: int | None, language: str = "sv") -> str:
    """A whole number, thousands apart: `1 234`; `–` when there is none."""
    if number is None:
        return NONE
    return f"{number:,}".replace(",", _TEXTS[language]["thousands"])


def clock(moment: datetime | None, zone: str = "Europe/Stockholm", language: str = "sv") -> str:
    """A time of day: `10.12`, and `8.00` without a leading zero."""
    if moment is None:
        return NONE
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.hour}{_TEXTS[language]['clock_separator']}{local.minute:02}"


def date_words(moment: datetime, zone: str = "Europe/Stockholm", language: str = "sv") -> str:
    """A day: `måndag 2 mars`."""
    local = moment.astimezone(ZoneInfo(zone))
    texts = _TEXTS[language]
    return say(
        "date",
        language,
        weekday=texts[f"weekday.{local.weekday()}"],
        day=local.day,
        month=texts[f"month.{local.month}"],
    )


def wait(seconds: float | None) -> str:
    """A wait on the board: `4:05`, from an hour `1:04:05`; whole seconds gone."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(max(0, math.floor(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def wait_in_words(seconds: float | None, language: str = "sv") -> str:
    """A wait in running text: `4 min 5 s`, from an hour `1 tim 4 min`."""
    if seconds is None:
        return NONE
    minutes, rest = divmod(max(0, math.floor(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = []
    if hours:
        parts.append(say("hours_short", language, hours=hours))
    if minutes:
        parts.append(say("minutes_short", language, minutes=minutes))
    if (rest and not hours) or not parts:
        parts.append(say("seconds_short", language, seconds=rest))
    return " ".join(parts)


def span(seconds: int, language: str = "sv") -> str:
    """A chosen length of time, unbroken at the line's end: `5 min`, `90 s`."""
    return wait_in_words(seconds, language).replace(" ", _SPACE)


def opening(opens_at: datetime | None, now: datetime, zone: str = "Europe/Stockholm", language: str = "sv") -> str:
    """When it opens: `Stängt – öppnar måndag 8.00`; a week or more ahead with the date."""
    if opens_at is None:
        return say("closed", language)
    local, today = opens_at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone))
    days = (local.date() - today.date()).days
    if days == 0:
        day = say("opens_today", language)
    elif days == 1:
        day = say("opens_tomorrow", language)
    elif days < 7:
        day = say(f"weekday.{local.weekday()}", language)
    else:
        day = date_words(opens_at, zone, language)
    return say("closed_opens", language, day=day, clock=clock(opens_at, zone, language))
