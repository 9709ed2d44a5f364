"""The model card's words on use and limits, the same for every run but for what the corpora call for."""

from collections.abc import Set

USE = """\
Meant for: comparing models and features on these corpora, teaching, and as a first guess at how a short clip of acted
speech sounds, by people who see the confidence and the figures below.

Not meant for, and not to be used for: any decision about a person, such as hiring, schooling, policing, insurance,
health or access; watching employees, pupils, customers or crowds; finding out what a person feels, thinks or means, or
whether they lie. **An emotion named here is a guess about how a voice sounds, not what a person feels**: people often
feel what they do not show and show what they do not feel, and cultures, languages, ages and illnesses differ in how.
"""

LIMITS = """\
- The emotions are acted, one a clip, in short sentences read in quiet rooms. Spontaneous speech, noise, telephones,
  several speakers, languages other than the corpora's and mixed feelings were never heard in training or tested.
- The same few sentences are said in training and in tests (the share is under Split): nothing here shows how well
  unheard wording fares.
- Speakers are few and not a sample of any population; gender is what each corpus records, in two values; age, accent
  and health are not looked at.
- The clips of a test role mix corpora of very different difficulty, and no two roles mix them alike: compare roles
  within a corpus before comparing totals.
- One of the seven emotions is always the likeliest, whatever is heard; silence, noise and music need the voice gate,
  and unsure answers the threshold.
"""

PLAYED = "- The labels are what was to be played, not what anybody felt"

# Cao et al., "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset", 2014.
LISTENERS = """\
. People who listened to CREMA-D's audio alone named the intended
  emotion 40.9 % of the time (Cao et al. 2014): many of its labels are not what listeners hear. A model that scores
  higher has learned how these actors act, not how to read people."""


def limits(corpora: Set[str]) -> str:
    """What the figures do not show.

    Args:
        corpora: names of the corpora used.
    """
    return f"{PLAYED}{LISTENERS if 'crema_d' in corpora else '.'}\n{LIMITS}"
