"""The colour of each emotion in charts, in the terminal and on the page of the server."""

# Okabe and Ito's palette (2008), which colour-blind readers can distinguish.
COLOURS = {
    "angry": "#D55E00",
    "disgust": "#009E73",
    "fear": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#7F7F7F",
    "sad": "#0072B2",
    "surprise": "#56B4E9",
}
